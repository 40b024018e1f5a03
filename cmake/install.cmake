# SPDX-License-Identifier: MIT
# What a user gets: libraries, headers, a pkg-config file, a CMake package. The
# tool and the man pages install themselves.
include(CMakePackageConfigHelpers)

set(devrx_cmake_dir ${CMAKE_INSTALL_LIBDIR}/cmake/devrx)
set(devrx_pkgconfig_dir ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

# Two export sets, so that a user of the shared library needs nothing else.
install(TARGETS devrx_shared EXPORT devrxSharedTargets
        LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(TARGETS devrx_static EXPORT devrxStaticTargets
        ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/devrx
        DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
        FILES_MATCHING PATTERN "*.h")
foreach(set devrxSharedTargets devrxStaticTargets)
  install(EXPORT ${set} NAMESPACE devrx:: DESTINATION ${devrx_cmake_dir})
endforeach()

# Where llhttp is the system's, not built in.
set(devrx_needs_llhttp OFF)
if(LLHTTP_FOUND)
  set(devrx_needs_llhttp ON)
endif()
configure_package_config_file(
    ${CMAKE_CURRENT_LIST_DIR}/devrxConfig.cmake.in
    ${PROJECT_BINARY_DIR}/devrxConfig.cmake
    INSTALL_DESTINATION ${devrx_cmake_dir}
    NO_SET_AND_CHECK_MACRO)
# While 0.x a minor release may change the source interface.
write_basic_package_version_file(
    ${PROJECT_BINARY_DIR}/devrxConfigVersion.cmake
    COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/devrxConfig.cmake
              ${PROJECT_BINARY_DIR}/devrxConfigVersion.cmake
        DESTINATION ${devrx_cmake_dir})

# The prefix is known only at install time (cmake --install --prefix), so the
# pkg-config file starts from where it lies.
if(IS_ABSOLUTE "${CMAKE_INSTALL_LIBDIR}")
  set(devrx_pc_prefix "${CMAKE_INSTALL_PREFIX}")
  set(devrx_pc_libdir "${CMAKE_INSTALL_LIBDIR}")
else()
  file(RELATIVE_PATH up "/p/${devrx_pkgconfig_dir}" "/p")
  string(REGEX REPLACE "/$" "" up "${up}")
  set(devrx_pc_prefix "\${pcfiledir}/${up}")
  set(devrx_pc_libdir "\${prefix}/${CMAKE_INSTALL_LIBDIR}")
endif()
if(IS_ABSOLUTE "${CMAKE_INSTALL_INCLUDEDIR}")
  set(devrx_pc_includedir "${CMAKE_INSTALL_INCLUDEDIR}")
else()
  set(devrx_pc_includedir "\${prefix}/${CMAKE_INSTALL_INCLUDEDIR}")
endif()
if(LLHTTP_FOUND)
  set(devrx_pc_llhttp " -lllhttp")
endif()
configure_file(${CMAKE_CURRENT_LIST_DIR}/devrx.pc.in
               ${PROJECT_BINARY_DIR}/devrx.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/devrx.pc DESTINATION ${devrx_pkgconfig_dir})
