// The command line as values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "array.hpp"
#include "container.hpp"

namespace ct {

/// How a file that is not .npy is to be read.
struct RawLayout {
  ArrayInfo info;
};

/// The synthetic field: `size` cubed float64 values.
struct GenerateSpec {
  uint64_t size = 0;
  uint64_t seed = 0;
};

/// Where an array comes from.
struct InputOptions {
  std::string path;
  std::optional<RawLayout> raw;
  std::optional<GenerateSpec> generate;
};

struct CompressOptions {
  InputOptions input;
  std::string output;
  Mode mode = Mode::tolerance;
  double bound = 0.0;  ///< absolute or relative tolerance, by mode
  std::vector<double> fill_values;
  bool missing_fails = false;
  bool lossless_on_violation = false;
  bool verify = true;
  bool bare = false;
};

struct DecompressOptions {
  std::string input;
  std::string output;
};

struct VerifyOptions {
  InputOptions original;
  std::string compressed;
};

struct InfoOptions {
  std::string path;
};

struct GenerateOptions {
  GenerateSpec spec;
  std::string output;
};

/// Help or the version was asked for: print `text` and exit well.
struct PrintText {
  std::string text;
};

using Options = std::variant<CompressOptions, DecompressOptions, VerifyOptions, InfoOptions,
                             GenerateOptions, PrintText>;

/// Throws Exit::usage.
Options parse_options(int argc, const char* const* argv);

}  // namespace ct
