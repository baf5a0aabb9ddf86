// From a compressed file's parts to the array's bytes.
#pragma once

#include "container.hpp"

namespace ct {

/// Writes `container.header.info.bytes()` bytes, in the original's byte order and with its holes.
/// Throws Exit::corrupt when the parts do not make sense. `out` may be misaligned.
void restore(const Container& container, std::byte* out);

/// Decodes everything and keeps nothing: throws Exit::corrupt where `restore` would.
void check_contents(const Container& container);

}  // namespace ct
