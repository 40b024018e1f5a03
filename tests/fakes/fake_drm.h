/* SPDX-License-Identifier: MIT */
/*
 * A test's hold on the fake libdrm (tests/fakes/libdrm/drm.c) or libdrm_amdgpu.
 * Loading one by its path is enough: libdevrx then asks for "libdrm.so.2", and the
 * loader gives it what goes by that name already.
 */
#ifndef DEVRX_FAKES_FAKE_DRM_H
#define DEVRX_FAKES_FAKE_DRM_H

#include <string>

#include <dlfcn.h>

class FakeDrm
{
      public:
	FakeDrm() = default;
	FakeDrm(const FakeDrm &) = delete;
	~FakeDrm()
	{
		if (lib_)
			dlclose(lib_);
	}

	/* False where it cannot be loaded, or the real one is loaded already. */
	bool load(const std::string &path)
	{
		lib_ = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
		void *found = dlopen(path.substr(path.rfind('/') + 1).c_str(),
				     RTLD_NOW | RTLD_NOLOAD);

		if (found)
			dlclose(found);
		return lib_ && found == lib_;
	}

	/* What it gave and did not get back; -1 of one without calls. */
	int count(const char *of = "devrx_fake_drm_count") const
	{
		auto *const ask = reinterpret_cast<int (*)()>(dlsym(lib_, of));

		return ask ? ask() : -1;
	}

      private:
	void *lib_ = nullptr;
};

#endif /* DEVRX_FAKES_FAKE_DRM_H */
