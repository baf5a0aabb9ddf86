// From a compressed file's parts to the array's bytes.
#pragma once

#include "container.hpp"

namespace ct {

/// Writes `container.header.info.bytes()` bytes, in the original's byte order and with its holes.
/// Throws Exit::corrupt when the parts do not make sense. `out` may be misaligned; `out_is_file`
/// says that it is a file's mapping, whose pages may be dropped once they are written.
void restore(const Container& container, std::byte* out, bool out_is_file);

/// Decodes everything and keeps nothing: throws Exit::corrupt where `restore` would.
void check_contents(const Container& container);

}  // namespace ct
