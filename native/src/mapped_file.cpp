#include "mapped_file.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "errors.hpp"
#include "hash.hpp"
#include "text.hpp"

namespace ct {

MappedFile::MappedFile(const std::string& path) : path_(path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) throw Error(Exit::unreadable, with_errno("cannot read '" + path + "'"));
  struct stat status{};
  if (::fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) {
    ::close(fd);
    throw Error(Exit::unreadable, "cannot read '" + path +
                                      "': not a regular file; a file that can be mapped is needed");
  }
  const auto size = static_cast<std::size_t>(status.st_size);
  void* address = nullptr;
  if (size > 0) {
    address = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (address == MAP_FAILED) {
      const std::string message = with_errno("cannot map '" + path + "'");
      ::close(fd);
      throw Error(Exit::unreadable, message);
    }
    ::madvise(address, size, MADV_SEQUENTIAL);
  }
  ::close(fd);
  bytes_ = {static_cast<const std::byte*>(address), size};
}

MappedFile::~MappedFile() {
  if (bytes_.size > 0) ::munmap(const_cast<std::byte*>(bytes_.data), bytes_.size);
}

void PageDropper::used_up_to(std::size_t offset) {
  constexpr std::size_t step = std::size_t{32} << 20;
  constexpr std::uintptr_t page = 65536;  // at least a page on every machine
  if (!enabled_ || offset < dropped_ + step) return;
  const auto base = reinterpret_cast<std::uintptr_t>(whole_.data);
  const std::uintptr_t begin = (base + dropped_ + page - 1) / page * page;
  const std::uintptr_t end = (base + offset) / page * page;
  if (end > begin) ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
  dropped_ = offset;
}

uint64_t hash_mapped(Bytes mapped) {
  constexpr std::size_t slice = std::size_t{1} << 20;
  Hasher hasher;
  PageDropper pages(mapped, true);
  for (std::size_t at = 0; at < mapped.size; at += slice) {
    hasher.update(mapped.part(at, std::min(slice, mapped.size - at)));
    pages.used_up_to(at);
  }
  return hasher.digest();
}

}  // namespace ct
