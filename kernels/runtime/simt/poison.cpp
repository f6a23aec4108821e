#include "kernels/runtime/simt/poison.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <vector>

#include "kernels/runtime/simt/shared_memory.hpp"

namespace cuelbo::simt {

namespace {

// A file of `bytes` poisoned bytes in memory, made once; −1 if there cannot be one.
int poisoned_file(std::size_t bytes) {
  static const int file = [&] {
    const int descriptor = memfd_create("poison", MFD_CLOEXEC);
    const std::vector<std::byte> content(bytes, std::byte{poison});
    if (descriptor >= 0 && write(descriptor, content.data(), bytes) != static_cast<ssize_t>(bytes)) {
      close(descriptor);
      return -1;
    }
    return descriptor;
  }();
  return file;
}

// The calling thread's pages that are private views of that file. The initial value keeps this variable from being poisoned.
std::byte no_page;
constinit thread_local std::byte* viewed_pages = &no_page;

}  // namespace

void poison_static_shared_memory(std::span<std::byte> statics) {
  static const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  const std::size_t head = (page - reinterpret_cast<std::uintptr_t>(statics.data()) % page) % page;
  if (statics.size() < head + page) {
    std::ranges::fill(statics, std::byte{poison});
    return;
  }
  const std::size_t whole = (statics.size() - head) / page * page;  // bytes in whole pages
  std::byte* const pages = statics.data() + head;
  const auto view = [&] {
    if (mmap(pages, whole, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, poisoned_file(statics.size()),
             0) == MAP_FAILED)
      return false;
    viewed_pages = pages;
    return true;
  };
  // The pages of a view that were written are dropped; then it shows the file again.
  if (viewed_pages == pages ? madvise(pages, whole, MADV_DONTNEED) != 0 : !view())
    std::fill_n(pages, whole, std::byte{poison});
  std::ranges::fill(statics.first(head), std::byte{poison});
  std::ranges::fill(statics.subspan(head + whole), std::byte{poison});
}

}  // namespace cuelbo::simt
