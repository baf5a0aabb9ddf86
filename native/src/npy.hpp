// The .npy format, versions 1 and 2:
// https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
#pragma once

#include <string>

#include "array.hpp"

namespace ct {

/// Reads the header; `file` is the whole file. Throws Exit::unreadable when it is malformed or its
/// size and shape disagree, Exit::unsupported for types and shapes that are not handled.
ArrayView parse_npy(Bytes file, const std::string& path);

/// The header that numpy.save would write for such an array.
std::string npy_header(const ArrayInfo& info);

}  // namespace ct
