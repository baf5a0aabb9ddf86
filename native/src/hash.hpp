// XXH3, 64 bits, seed 0.
#pragma once

// Compiled in through XXH_INLINE_ALL, which the build defines; its header is not ours to mend.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#pragma GCC diagnostic ignored "-Wshadow"
#pragma GCC diagnostic ignored "-Wpedantic"
#include <xxhash.h>
#pragma GCC diagnostic pop

#include <memory>

#include "bytes.hpp"

namespace ct {

inline uint64_t xxh3(Bytes bytes) {
  return bytes.size == 0 ? XXH3_64bits("", 0) : XXH3_64bits(bytes.data, bytes.size);
}

class Hasher {
 public:
  Hasher() : state_(XXH3_createState(), &XXH3_freeState) {
    if (!state_) throw std::bad_alloc();
    XXH3_64bits_reset(state_.get());
  }
  void update(Bytes bytes) {
    if (bytes.size > 0) XXH3_64bits_update(state_.get(), bytes.data, bytes.size);
  }
  [[nodiscard]] uint64_t digest() const { return XXH3_64bits_digest(state_.get()); }

 private:
  std::unique_ptr<XXH3_state_t, XXH_errorcode (*)(XXH3_state_t*)> state_;
};

}  // namespace ct
