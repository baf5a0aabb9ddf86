#include "output_file.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <csignal>
#include <ctime>
#include <utility>

#include "errors.hpp"
#include "text.hpp"

namespace ct {
namespace {

constexpr std::size_t buffer_bytes = std::size_t{1} << 20;

// What the signal handler removes. It may only read plain memory, so the path is kept here.
std::array<char, PATH_MAX> doomed_path;
volatile std::sig_atomic_t doomed = 0;

extern "C" void on_ending_signal(int signal_number) {
  if (doomed != 0) ::unlink(doomed_path.data());
  // SA_RESETHAND has restored the default action: die of the signal, as a caller expects.
  ::raise(signal_number);
}

extern "C" void on_bus_error(int) {
  // A mapped file shrank, or its file system failed, while it was in use.
  static const char text[] =
      "compress_task: error: a file shrank or failed while it was being used\n";
  if (doomed != 0) ::unlink(doomed_path.data());
  [[maybe_unused]] const auto written = ::write(STDERR_FILENO, text, sizeof text - 1);
  ::_exit(static_cast<int>(Exit::io));
}

/// Holds the ending signals back for a moment.
class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t ending;
    ::sigemptyset(&ending);
    for (const int s : {SIGTERM, SIGINT, SIGHUP}) ::sigaddset(&ending, s);
    ::sigprocmask(SIG_BLOCK, &ending, &before_);
  }
  ~SignalsBlocked() { ::sigprocmask(SIG_SETMASK, &before_, nullptr); }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;

 private:
  sigset_t before_{};
};

std::string directory_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

std::string temporary_name(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  const std::string name = slash == std::string::npos ? path : path.substr(slash + 1);
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  const auto salt = static_cast<uint64_t>(now.tv_nsec) ^ (static_cast<uint64_t>(::getpid()) << 32);
  // Short, so that a name as long as the file system allows still has room.
  return directory_of(path) + "/." + name.substr(0, 200) + "." + hex64(salt) + ".tmp";
}

void refuse_what_cannot_be_replaced(const std::string& path) {
  struct stat status{};
  if (path.empty() || path.back() == '/') {
    throw Error(Exit::usage, "output '" + path + "' is not a file name");
  }
  if (::stat(path.c_str(), &status) == 0 && !S_ISREG(status.st_mode)) {
    throw Error(Exit::usage,
                "output '" + path + "' exists and is not a regular file: name another");
  }
}

}  // namespace

void refuse_same_file(const std::string& input, const std::string& output) {
  struct stat a{};
  struct stat b{};
  if (::stat(input.c_str(), &a) != 0 || ::stat(output.c_str(), &b) != 0) return;
  if (a.st_dev == b.st_dev && a.st_ino == b.st_ino) {
    throw Error(Exit::usage, "the output '" + output + "' is the input: name another file");
  }
}

void install_signal_handlers() {
  struct sigaction ending{};
  ending.sa_handler = on_ending_signal;
  ending.sa_flags = static_cast<int>(SA_RESETHAND | SA_NODEFER);
  for (const int s : {SIGTERM, SIGINT, SIGHUP}) {
    struct sigaction before{};
    ::sigaction(s, nullptr, &before);
    // What the parent ignores stays ignored (nohup).
    if (before.sa_handler != SIG_IGN) ::sigaction(s, &ending, nullptr);
  }
  struct sigaction bus{};
  bus.sa_handler = on_bus_error;
  ::sigaction(SIGBUS, &bus, nullptr);
  // Let write() report these instead: a closed pipe, a file size limit.
  ::signal(SIGPIPE, SIG_IGN);
  ::signal(SIGXFSZ, SIG_IGN);
}

OutputFile::OutputFile(const std::string& path) : path_(path), temporary_(temporary_name(path)) {
  refuse_what_cannot_be_replaced(path);
  buffer_.reserve(buffer_bytes);
  if (temporary_.size() >= doomed_path.size())
    throw Error(Exit::usage, "output '" + path + "' is too long a path");
  const SignalsBlocked blocked;
  fd_ = ::open(temporary_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (fd_ < 0) {
    throw Error(Exit::io, with_errno("cannot write to directory '" + directory_of(path) + "'") +
                              "; it must exist and be writable");
  }
  temporary_.copy(doomed_path.data(), temporary_.size());
  doomed_path[temporary_.size()] = '\0';
  doomed = 1;
}

OutputFile::~OutputFile() {
  if (mapping_ != nullptr) ::munmap(mapping_, mapped_);
  if (fd_ >= 0) ::close(fd_);
  if (!committed_) {
    const SignalsBlocked blocked;
    ::unlink(temporary_.c_str());
    doomed = 0;
  }
}

void OutputFile::fail(const char* doing) const {
  const int reason = errno;
  std::string message = with_errno(std::string("cannot ") + doing + " '" + path_ + "'");
  if (reason == ENOSPC || reason == EDQUOT || reason == EFBIG)
    message += "; nothing was kept: free space and run again";
  throw Error(Exit::io, message);
}

void OutputFile::write_at(uint64_t offset, Bytes bytes) const {
  while (bytes.size > 0) {
    const ssize_t n = ::pwrite(fd_, bytes.data, bytes.size, static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail("write");
    bytes = bytes.from(static_cast<std::size_t>(n));
    offset += static_cast<uint64_t>(n);
  }
}

void OutputFile::flush() {
  write_at(flushed_, {buffer_.data(), buffer_.size()});
  flushed_ += buffer_.size();
  buffer_.clear();
}

void OutputFile::append(Bytes bytes) {
  if (bytes.size == 0) return;
  if (buffer_.size() + bytes.size > buffer_bytes) flush();
  if (bytes.size >= buffer_bytes) {
    write_at(flushed_, bytes);
    flushed_ += bytes.size;
    return;
  }
  buffer_.insert(buffer_.end(), bytes.data, bytes.data + bytes.size);
}

void OutputFile::rewrite(uint64_t offset, Bytes bytes) {
  flush();
  write_at(offset, bytes);
}

void OutputFile::truncate(uint64_t offset) {
  if (offset >= flushed_) {
    buffer_.resize(offset - flushed_);
    return;
  }
  buffer_.clear();
  if (::ftruncate(fd_, static_cast<off_t>(offset)) != 0) fail("truncate");
  flushed_ = offset;
}

std::byte* OutputFile::map(uint64_t size) {
  // Reserved first: a full disk must be an error here, not a bus error later.
  const int reserved = ::posix_fallocate(fd_, 0, static_cast<off_t>(size));
  if (reserved != 0) {
    errno = reserved;
    fail("reserve space for");
  }
  mapping_ = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd_, 0);
  if (mapping_ == MAP_FAILED) {
    mapping_ = nullptr;
    fail("map");
  }
  mapped_ = size;
  return static_cast<std::byte*>(mapping_);
}

void OutputFile::commit() {
  flush();
  if (::fsync(fd_) != 0) fail("write");
  if (::close(std::exchange(fd_, -1)) != 0) fail("close");
  {
    const SignalsBlocked blocked;
    if (::rename(temporary_.c_str(), path_.c_str()) != 0) fail("rename to");
    committed_ = true;
    doomed = 0;
  }
  const int directory = ::open(directory_of(path_).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory >= 0) {
    // Some file systems cannot sync a directory; the file itself is safe by then.
    [[maybe_unused]] const int synced = ::fsync(directory);
    ::close(directory);
  }
}

}  // namespace ct
