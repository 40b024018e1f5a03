# SPDX-License-Identifier: MIT
# Warnings and sanitizers, for every target of the project.
# -Wshadow is for C only: in C++ GCC takes devrx_memory_info() for hiding the
# constructor of struct devrx_memory_info.
set(drx_warnings -Wall -Wextra -Wformat=2 -Wwrite-strings -Wcast-align -Wundef
                 -Wpointer-arith)
set(drx_c_warnings -Wshadow -Wmissing-prototypes -Wstrict-prototypes
                   -Wconversion -Wno-sign-conversion)
add_compile_options(${drx_warnings} "$<$<COMPILE_LANGUAGE:C>:${drx_c_warnings}>")
if(DEVRX_WERROR)
  add_compile_options(-Werror)
endif()
if(DEVRX_SANITIZE)
  add_compile_options(-fsanitize=${DEVRX_SANITIZE} -fno-sanitize-recover=all
                      -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${DEVRX_SANITIZE})
endif()
