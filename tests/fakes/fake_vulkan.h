/* SPDX-License-Identifier: MIT */
/*
 * A test's hold on the fake Vulkan driver (tests/fakes/libvulkan).
 *
 * Loading it by its path is enough: libdevrx then asks for "libvulkan.so.1", and
 * the loader gives it what goes by that name already.
 */
#ifndef DEVRX_FAKES_FAKE_VULKAN_H
#define DEVRX_FAKES_FAKE_VULKAN_H

#include <cstdlib>
#include <string>

#include <dlfcn.h>

#include "memory/vulkan_api.h"

class FakeVulkan
{
      public:
	/* False where it cannot be loaded; why() tells. */
	bool load(const std::string &path)
	{
		lib_ = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
		if (!lib_) {
			why_ = dlerror();
			return false;
		}
		/* A real one that is still loaded would be taken instead. */
		void *found = dlopen("libvulkan.so.1", RTLD_NOW | RTLD_NOLOAD);
		if (found)
			dlclose(found);
		if (found != lib_) {
			why_ = "the real loader is in the way";
			return false;
		}
		find(&script, "devrx_fake_vulkan_script");
		find(&add, "devrx_fake_vulkan_add");
		find(&count, "devrx_fake_vulkan_count");
		find(&GetInstanceProcAddr, "vkGetInstanceProcAddr");
		return true;
	}

	/* So that the real one can be loaded again. */
	void unload()
	{
		dlclose(lib_);
		lib_ = nullptr;
	}

	const std::string &why() const
	{
		return why_;
	}

	/* A call of Vulkan's, as its caller makes it. */
	template <typename T> void call(T *ret, const char *name)
	{
		find(ret, name);
	}

	/* See tests/fakes/libvulkan/script.c. */
	void (*script)(const char *);
	void (*add)(const char *);
	long (*count)(const char *);
	PFN_vkGetInstanceProcAddr GetInstanceProcAddr;

      private:
	template <typename T> void find(T *ret, const char *name)
	{
		*ret = reinterpret_cast<T>(dlsym(lib_, name));
		if (!*ret)
			abort();
	}

	void *lib_ = nullptr;
	std::string why_;
};

#endif /* DEVRX_FAKES_FAKE_VULKAN_H */
