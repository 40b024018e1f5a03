// SPDX-License-Identifier: MIT
#include "kernels/vulkan_device.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>

#include <dlfcn.h>

namespace kernels
{

namespace
{

/* Not the test's subject: an error here is no result. */
void must(VkResult rc, const char *call)
{
	if (rc == VK_SUCCESS)
		return;
	fprintf(stderr, "%s: VkResult %d\n", call, rc);
	abort();
}
#define MUST(call) must(call, #call)

VkBool32 keep(VkDebugUtilsMessageSeverityFlagBitsEXT,
	      VkDebugUtilsMessageTypeFlagsEXT,
	      const VkDebugUtilsMessengerCallbackDataEXT *data, void *to)
{
	*(std::string *)to += std::string(data->pMessage) + "\n";
	return VK_FALSE;
}

const char LAYER[] = "VK_LAYER_KHRONOS_validation";

} // namespace

bool VulkanDevice::has_layer() const
{
	uint32_t nr = 0;
	std::vector<VkLayerProperties> layers;

	vk.EnumerateInstanceLayerProperties(&nr, nullptr);
	layers.resize(nr);
	vk.EnumerateInstanceLayerProperties(&nr, layers.data());
	for (const VkLayerProperties &layer : layers)
		if (!strcmp(layer.layerName, LAYER))
			return true;
	return false;
}

bool VulkanDevice::has(const char *extension) const
{
	uint32_t nr = 0;
	std::vector<VkExtensionProperties> list;

	vk.EnumerateDeviceExtensionProperties(physical, nullptr, &nr, nullptr);
	list.resize(nr);
	vk.EnumerateDeviceExtensionProperties(physical, nullptr, &nr,
					      list.data());
	for (const VkExtensionProperties &e : list)
		if (!strcmp(e.extensionName, extension))
			return true;
	return false;
}

/* With an instance those of a device too, by the loader's detour. */
void VulkanDevice::find_calls()
{
#define FIND(name)                                                             \
	vk.name = (PFN_vk##name)vk.GetInstanceProcAddr(instance, "vk" #name);
	KERNELS_VK_CALLS(FIND)
#undef FIND
}

/* A device with what the kernels need, its queue and its memory. */
std::string VulkanDevice::pick(bool memory)
{
	VkPhysicalDeviceVulkan12Features v12 = {};
	VkPhysicalDeviceFeatures2 features = {};
	VkPhysicalDeviceMemoryProperties types;
	VkPhysicalDeviceProperties properties;
	const VkMemoryPropertyFlags wanted =
		VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT |
		VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
	uint32_t nr = 1;

	vk.EnumeratePhysicalDevices(instance, &nr, &physical);
	if (!nr)
		return "no Vulkan device (Debian: apt install "
		       "mesa-vulkan-drivers, which has one for the CPU)";
	vk.GetPhysicalDeviceProperties(physical, &properties);
	name = properties.deviceName;
	if (properties.apiVersion < VK_API_VERSION_1_2)
		return name + " has no Vulkan 1.2";
	v12.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES;
	features.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2;
	features.pNext = &v12;
	vk.GetPhysicalDeviceFeatures2(physical, &features);
	if (!features.features.shaderInt64 || !v12.bufferDeviceAddress ||
	    !v12.timelineSemaphore)
		return name + " has no shaderInt64, bufferDeviceAddress or "
			      "timelineSemaphore";
	foreign = has(VK_EXT_QUEUE_FAMILY_FOREIGN_EXTENSION_NAME);
	if (memory && !has(VK_EXT_EXTERNAL_MEMORY_DMA_BUF_EXTENSION_NAME))
		return name + " has no VK_EXT_external_memory_dma_buf";

	nr = 64;
	VkQueueFamilyProperties families[64];
	vk.GetPhysicalDeviceQueueFamilyProperties(physical, &nr, families);
	for (family = 0; family < nr; family++)
		if (families[family].queueFlags & VK_QUEUE_COMPUTE_BIT)
			break;
	if (family == nr)
		return name + " has no compute queue";
	vk.GetPhysicalDeviceMemoryProperties(physical, &types);
	while ((types.memoryTypes[memory_type].propertyFlags & wanted) !=
	       wanted)
		memory_type++; /* there always is one */
	return "";
}

std::string VulkanDevice::build(const std::string &spirv)
{
	VkPushConstantRange range = { VK_SHADER_STAGE_COMPUTE_BIT, 0,
				      sizeof(devrx_kernel_args) };
	VkPipelineLayoutCreateInfo li = {};
	/* The histogram's bins are emptied again and again, as after
	 * gigabytes; the others have no such constant. */
	const uint32_t tiles = 2;
	const VkSpecializationMapEntry entry = { 0, 0, sizeof(tiles) };
	const VkSpecializationInfo special = { 1, &entry, sizeof(tiles),
					       &tiles };

	li.sType = VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO;
	li.pushConstantRangeCount = 1;
	li.pPushConstantRanges = &range;
	MUST(vk.CreatePipelineLayout(device, &li, nullptr, &layout));
	for (int k = 0; k < NR; k++) {
		const std::string path = spirv + "/" + kernel_name[k] + ".spv";
		std::ifstream file(path, std::ios::binary);
		std::vector<char> code(std::istreambuf_iterator<char>(file),
				       {});
		VkShaderModuleCreateInfo mi = {};
		VkComputePipelineCreateInfo pi = {};
		VkShaderModule module;

		if (code.empty())
			return "no " + path +
			       " (it is built where "
			       "glslangValidator is)";
		mi.sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO;
		mi.codeSize = code.size();
		mi.pCode = (const uint32_t *)code.data();
		MUST(vk.CreateShaderModule(device, &mi, nullptr, &module));
		pi.sType = VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO;
		pi.stage.sType =
			VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO;
		pi.stage.stage = VK_SHADER_STAGE_COMPUTE_BIT;
		pi.stage.module = module;
		pi.stage.pName = "main";
		pi.stage.pSpecializationInfo = &special;
		pi.layout = layout;
		MUST(vk.CreateComputePipelines(device, VK_NULL_HANDLE, 1, &pi,
					       nullptr, &pipelines[k]));
		vk.DestroyShaderModule(device, module, nullptr);
	}
	return "";
}

std::string VulkanDevice::open(const std::string &spirv, bool memory)
{
	const char *const extension = VK_EXT_DEBUG_UTILS_EXTENSION_NAME;
	const char *const layer = LAYER;
	VkApplicationInfo app = {};
	VkInstanceCreateInfo ii = {};
	VkDebugUtilsMessengerCreateInfoEXT di = {};
	std::string missing;

	loader = dlopen("libvulkan.so.1", RTLD_NOW | RTLD_LOCAL);
	if (!loader)
		return "no Vulkan loader (Debian: apt install libvulkan1)";
	vk.GetInstanceProcAddr = (PFN_vkGetInstanceProcAddr)dlsym(
		loader, "vkGetInstanceProcAddr");
	find_calls();
	if (!has_layer())
		return "no Vulkan validation layer (Debian: apt install "
		       "vulkan-validationlayers)";
	app.sType = VK_STRUCTURE_TYPE_APPLICATION_INFO;
	app.apiVersion = VK_API_VERSION_1_2;
	di.sType = VK_STRUCTURE_TYPE_DEBUG_UTILS_MESSENGER_CREATE_INFO_EXT;
	di.messageSeverity = VK_DEBUG_UTILS_MESSAGE_SEVERITY_WARNING_BIT_EXT |
			     VK_DEBUG_UTILS_MESSAGE_SEVERITY_ERROR_BIT_EXT;
	di.messageType = VK_DEBUG_UTILS_MESSAGE_TYPE_VALIDATION_BIT_EXT |
			 VK_DEBUG_UTILS_MESSAGE_TYPE_PERFORMANCE_BIT_EXT;
	di.pfnUserCallback = keep;
	di.pUserData = &complaints;
	ii.sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO;
	ii.pApplicationInfo = &app;
	ii.enabledLayerCount = 1;
	ii.ppEnabledLayerNames = &layer;
	ii.enabledExtensionCount = 1;
	ii.ppEnabledExtensionNames = &extension;
	if (vk.CreateInstance(&ii, nullptr, &instance))
		return "no Vulkan driver (Debian: apt install "
		       "mesa-vulkan-drivers, which has one for the CPU)";
	find_calls();
	MUST(vk.CreateDebugUtilsMessengerEXT(instance, &di, nullptr,
					     &messenger));
	missing = pick(memory);
	if (!missing.empty())
		return missing;
	make_device(memory);
	return build(spirv);
}

void VulkanDevice::make_device(bool memory)
{
	const char *const extensions[] = {
		VK_KHR_EXTERNAL_MEMORY_FD_EXTENSION_NAME,
		VK_EXT_EXTERNAL_MEMORY_DMA_BUF_EXTENSION_NAME,
		VK_EXT_QUEUE_FAMILY_FOREIGN_EXTENSION_NAME,
	};
	const float priority = 1;
	VkDeviceQueueCreateInfo qi = {};
	VkPhysicalDeviceVulkan12Features v12 = {};
	VkPhysicalDeviceFeatures features = {};
	VkDeviceCreateInfo ci = {};
	VkCommandPoolCreateInfo pi = {};
	VkCommandBufferAllocateInfo ai = {};
	VkSemaphoreTypeCreateInfo ti = {};
	VkSemaphoreCreateInfo si = {};

	qi.sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO;
	qi.queueFamilyIndex = family;
	qi.queueCount = 1;
	qi.pQueuePriorities = &priority;
	v12.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES;
	v12.bufferDeviceAddress = VK_TRUE;
	v12.timelineSemaphore = VK_TRUE;
	features.shaderInt64 = VK_TRUE;
	ci.sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO;
	ci.pNext = &v12;
	ci.queueCreateInfoCount = 1;
	ci.pQueueCreateInfos = &qi;
	ci.enabledExtensionCount = memory ? 2 + foreign : 0;
	ci.ppEnabledExtensionNames = extensions;
	ci.pEnabledFeatures = &features;
	MUST(vk.CreateDevice(physical, &ci, nullptr, &device));
	vk.GetDeviceQueue(device, family, 0, &queue);
	pi.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO;
	pi.flags = VK_COMMAND_POOL_CREATE_RESET_COMMAND_BUFFER_BIT;
	pi.queueFamilyIndex = family;
	MUST(vk.CreateCommandPool(device, &pi, nullptr, &pool));
	ai.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO;
	ai.commandPool = pool;
	ai.level = VK_COMMAND_BUFFER_LEVEL_PRIMARY;
	ai.commandBufferCount = in_flight;
	MUST(vk.AllocateCommandBuffers(device, &ai, commands));
	ti.sType = VK_STRUCTURE_TYPE_SEMAPHORE_TYPE_CREATE_INFO;
	ti.semaphoreType = VK_SEMAPHORE_TYPE_TIMELINE;
	si.sType = VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO;
	si.pNext = &ti;
	MUST(vk.CreateSemaphore(device, &si, nullptr, &timeline));
}

VulkanDevice::~VulkanDevice()
{
	clear();
	if (device) {
		for (VkPipeline pipeline : pipelines)
			vk.DestroyPipeline(device, pipeline, nullptr);
		vk.DestroyPipelineLayout(device, layout, nullptr);
		vk.DestroySemaphore(device, timeline, nullptr);
		vk.DestroyCommandPool(device, pool, nullptr);
		vk.DestroyDevice(device, nullptr);
	}
	if (messenger)
		vk.DestroyDebugUtilsMessengerEXT(instance, messenger, nullptr);
	if (instance)
		vk.DestroyInstance(instance, nullptr);
	if (loader)
		dlclose(loader);
}

uint64_t VulkanDevice::put(const void *bytes, size_t len, unsigned misalign)
{
	VkBufferCreateInfo bi = {};
	VkBufferDeviceAddressInfo wi = {};
	VkMemoryAllocateFlagsInfo fi = {};
	VkMemoryAllocateInfo ai = {};
	VkMemoryRequirements need;
	unsigned shift;
	void *host;
	Buffer b;

	bi.sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO;
	bi.size = len + 512;
	bi.usage = VK_BUFFER_USAGE_STORAGE_BUFFER_BIT |
		   VK_BUFFER_USAGE_SHADER_DEVICE_ADDRESS_BIT;
	MUST(vk.CreateBuffer(device, &bi, nullptr, &b.buffer));
	vk.GetBufferMemoryRequirements(device, b.buffer, &need);
	fi.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_FLAGS_INFO;
	fi.flags = VK_MEMORY_ALLOCATE_DEVICE_ADDRESS_BIT;
	ai.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO;
	ai.pNext = &fi;
	ai.allocationSize = need.size;
	ai.memoryTypeIndex = memory_type;
	MUST(vk.AllocateMemory(device, &ai, nullptr, &b.memory));
	MUST(vk.BindBufferMemory(device, b.buffer, b.memory, 0));
	MUST(vk.MapMemory(device, b.memory, 0, VK_WHOLE_SIZE, 0, &host));
	wi.sType = VK_STRUCTURE_TYPE_BUFFER_DEVICE_ADDRESS_INFO;
	wi.buffer = b.buffer;
	b.addr = vk.GetBufferDeviceAddress(device, &wi);
	shift = (unsigned)(misalign - b.addr) % 256;
	b.addr += shift;
	b.host = (char *)host + shift;
	b.len = len;
	if (len)
		memcpy(b.host, bytes, len);
	buffers.push_back(b);
	return b.addr;
}

void VulkanDevice::get(uint64_t addr, void *bytes, size_t len)
{
	for (const Buffer &b : buffers)
		if (addr >= b.addr && addr + len <= b.addr + b.len)
			memcpy(bytes, b.host + (addr - b.addr), len);
}

char *VulkanDevice::host(uint64_t addr) const
{
	for (const Buffer &b : buffers)
		if (addr >= b.addr && addr < b.addr + b.len)
			return b.host + (addr - b.addr);
	return nullptr;
}

std::string VulkanDevice::launch(Kernel kernel, const devrx_kernel_args &args,
				 unsigned blocks)
{
	const uint64_t value =
		submit({ { kernel, args, blocks } }, nullptr, nullptr);

	return value && wait(value) ? "" : "the device was lost";
}

void VulkanDevice::clear()
{
	for (const Buffer &b : buffers) {
		vk.DestroyBuffer(device, b.buffer, nullptr);
		vk.FreeMemory(device, b.memory, nullptr);
	}
	buffers.clear();
}

} // namespace kernels
