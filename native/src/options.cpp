#include "options.hpp"

#include <CLI/CLI.hpp>
#include <cmath>

#include "errors.hpp"
#include "generate.hpp"
#include "text.hpp"

namespace ct {
namespace {

constexpr const char* exit_codes =
    "Exit codes: 0 well, 2 usage, 3 input unreadable, 4 not supported, 5 error bound violated,\n"
    "            6 writing failed, 7 compressed file corrupt.";

constexpr const char* examples =
    "Example: compress, check and get back\n"
    "  compress_task compress t.npy -o t.hpcz --tolerance 0.01 --fill-value 1e20\n"
    "  compress_task verify t.npy t.hpcz\n"
    "  compress_task decompress t.hpcz -o back.npy\n\n";

/// What CLI11 fills in, before it is checked.
struct Words {
  std::string input, output, second, missing = "mask", on_violation = "error", dtype, shape,
                                     generate;
  double tolerance = 0.0, relative = 0.0;
  bool reversible = false, no_verify = false, bare = false, big_endian = false, fortran = false;
  std::vector<double> fills;
  uint64_t size = 0, seed = 0;
};

[[noreturn]] void usage(const std::string& message) {
  throw Error(Exit::usage, message + "\nRun with --help for the options.");
}

uint64_t whole_number(const std::string& text, const std::string& option) {
  const bool digits = !text.empty() && text.size() <= 18 &&
                      text.find_first_not_of("0123456789") == std::string::npos;
  if (!digits) usage(option + " needs whole numbers separated by commas; found '" + text + "'");
  return std::stoull(text);
}

std::vector<uint64_t> numbers(const std::string& text, const std::string& option) {
  std::vector<uint64_t> found;
  std::size_t begin = 0;
  for (;;) {
    const std::size_t comma = text.find(',', begin);
    found.push_back(whole_number(text.substr(begin, comma - begin), option));
    if (comma == std::string::npos) return found;
    begin = comma + 1;
  }
}

GenerateSpec generate_spec(uint64_t size, uint64_t seed) {
  if (size == 0 || size > most_generate_size) {
    usage("the size of a generated field must be 1 to " + std::to_string(most_generate_size) +
          "; found " + std::to_string(size));
  }
  return {size, seed};
}

Dtype raw_dtype(const std::string& name) {
  if (name == "float32" || name == "f4") return Dtype::float32;
  if (name == "float64" || name == "f8") return Dtype::float64;
  throw Error(Exit::unsupported,
              "--dtype '" + name + "' is not supported; needed is float32 or float64");
}

InputOptions input_options(const Words& words) {
  InputOptions input;
  input.path = words.input;
  if (words.dtype.empty() != words.shape.empty())
    usage("a raw file needs both --dtype and --shape");
  if (!words.dtype.empty()) {
    RawLayout layout;
    layout.info.dtype = raw_dtype(words.dtype);
    layout.info.big_endian = words.big_endian;
    layout.info.fortran_order = words.fortran;
    layout.info.shape = numbers(words.shape, "--shape");
    if (layout.info.shape.size() > 4) {
      throw Error(Exit::unsupported, "--shape has " + std::to_string(layout.info.shape.size()) +
                                         " dimensions; needed are 1 to 4");
    }
    if (!size_is_sane(layout.info.shape)) usage("--shape " + words.shape + " is impossibly large");
    input.raw = layout;
  } else if (words.big_endian || words.fortran) {
    usage("--big-endian and --fortran-order describe raw files: give --dtype and --shape too");
  }
  return input;
}

double positive(double value, const char* option) {
  if (!(value > 0.0) || !std::isfinite(value)) {
    usage(std::string(option) + " must be a positive number; found " + number(value) +
          (value == 0.0 ? " (for no error at all use --reversible)" : ""));
  }
  return value;
}

CompressOptions compress_options(const Words& words, const CLI::App& app) {
  CompressOptions options;
  const bool generated = !words.generate.empty();
  if (generated == !words.input.empty())
    usage("compress needs one input: a file, or --generate N,S");
  options.input = input_options(words);
  if (generated) {
    const auto parts = numbers(words.generate, "--generate");
    if (parts.size() != 2)
      usage("--generate needs two numbers, as in --generate 256,1; found '" + words.generate + "'");
    if (options.input.raw) usage("--generate and --dtype, --shape exclude each other");
    options.input.generate = generate_spec(parts[0], parts[1]);
  }
  options.output = words.output;
  const bool absolute = app.count("--tolerance") > 0;
  const bool relative = app.count("--relative-tolerance") > 0;
  if (int{absolute} + int{relative} + int{words.reversible} != 1) {
    usage("compress needs one of --tolerance, --relative-tolerance and --reversible");
  }
  if (absolute) {
    options.mode = Mode::tolerance;
    options.bound = positive(words.tolerance, "--tolerance");
  } else if (relative) {
    options.mode = Mode::relative;
    options.bound = positive(words.relative, "--relative-tolerance");
    if (options.bound > 1.0)
      usage("--relative-tolerance is a part of the range, at most 1; found " +
            number(options.bound));
  } else {
    options.mode = Mode::reversible;
  }
  options.fill_values = words.fills;
  options.missing_fails = words.missing == "fail";
  options.lossless_on_violation = words.on_violation == "lossless";
  options.verify = !words.no_verify;
  options.bare = words.bare;
  return options;
}

void add_raw_options(CLI::App* app, Words& words) {
  const char* group = "Raw input";
  app->add_option("--dtype", words.dtype, "float32 or float64: the input is raw values, not .npy")
      ->group(group);
  app->add_option("--shape", words.shape, "its lengths, as in 54,18,432")->group(group);
  app->add_flag("--big-endian", words.big_endian, "its values are big-endian")->group(group);
  app->add_flag("--fortran-order", words.fortran, "its first index varies fastest")->group(group);
}

CLI::App* add_compress(CLI::App& app, Words& words) {
  CLI::App* sub =
      app.add_subcommand("compress", "Compress an array so that the error bound holds, or fail");
  sub->add_option("IN", words.input,
                  ".npy file (float32 or float64, 1 to 4 dimensions), or a raw file");
  sub->add_option("-o,--output", words.output, "compressed file; replaced only when complete")
      ->required();
  sub->add_option("--tolerance", words.tolerance, "largest absolute error of any value");
  sub->add_option("--relative-tolerance", words.relative,
                  "the same, as a part of the range of the valid values");
  sub->add_flag("--reversible", words.reversible, "no error: every bit comes back");
  sub->add_option("--fill-value", words.fills, "a number that stands for missing data (repeatable)")
      ->take_all()
      ->allow_extra_args(false)
      ->type_name("V");
  sub->add_option("--missing", words.missing,
                  "NaN, infinities and fill values: mask (restore bit for bit) or fail")
      ->check(CLI::IsMember({"mask", "fail"}))
      ->capture_default_str();
  sub->add_option("--on-violation", words.on_violation,
                  "when the bound does not hold: error, or lossless (store reversibly)")
      ->check(CLI::IsMember({"error", "lossless"}))
      ->capture_default_str();
  sub->add_flag("--no-verify", words.no_verify,
                "do not decode and compare (faster; the bound is then not confirmed)");
  sub->add_flag(
      "--bare", words.bare,
      "write a plain zfp stream with header, for 'zfp -h -z' and zfpy (no checksums, no mask)");
  sub->add_option("--generate", words.generate,
                  "N,S: compress the field that 'generate' would make")
      ->type_name("N,S");
  add_raw_options(sub, words);
  return sub;
}

CLI::App* add_decompress(CLI::App& app, Words& words) {
  CLI::App* sub = app.add_subcommand(
      "decompress", "Restore the array as .npy, with its type, byte order and holes");
  sub->add_option("IN", words.input, "file that 'compress' wrote")->required();
  sub->add_option("-o,--output", words.output, ".npy file; replaced only when complete")
      ->required();
  return sub;
}

CLI::App* add_verify(CLI::App& app, Words& words) {
  CLI::App* sub =
      app.add_subcommand("verify", "Compare an array with its compressed file, value by value");
  sub->add_option("ORIGINAL", words.input, "the array that was compressed")->required();
  sub->add_option("COMPRESSED", words.second, "what 'compress' made of it")->required();
  add_raw_options(sub, words);
  return sub;
}

CLI::App* add_info(CLI::App& app, Words& words) {
  CLI::App* sub =
      app.add_subcommand("info", "Check a compressed file's checksums and print what it holds");
  sub->add_option("FILE", words.input, "file that 'compress' wrote")->required();
  return sub;
}

CLI::App* add_generate(CLI::App& app, Words& words) {
  CLI::App* sub = app.add_subcommand(
      "generate", "Write a synthetic float64 field, the same bits on every machine");
  sub->add_option("-o,--output", words.output, ".npy file")->required();
  sub->add_option("--size", words.size, "values along each of its 3 axes")->required();
  sub->add_option("--seed", words.seed, "any whole number")->required();
  return sub;
}

/// Adds the command's subcommand. All of them are built only when the command line names none:
/// building one takes about 20 microseconds, and a task is started thousands of times.
void add_subcommands(CLI::App& app, Words& words, const std::string& named) {
  if (named == "--version") return;
  using Adder = CLI::App* (*)(CLI::App&, Words&);
  const std::pair<const char*, Adder> known[] = {{"compress", add_compress},
                                                 {"decompress", add_decompress},
                                                 {"verify", add_verify},
                                                 {"info", add_info},
                                                 {"generate", add_generate}};
  for (const auto& [name, add] : known) {
    if (named == name) {
      add(app, words);
      return;
    }
  }
  for (const auto& [name, add] : known) add(app, words);
}

Options chosen(const CLI::App& sub, const Words& words) {
  const std::string name = sub.get_name();
  if (name == "compress") return compress_options(words, sub);
  if (name == "decompress") return DecompressOptions{words.input, words.output};
  if (name == "verify") return VerifyOptions{input_options(words), words.second};
  if (name == "info") return InfoOptions{words.input};
  return GenerateOptions{generate_spec(words.size, words.seed), words.output};
}

}  // namespace

Options parse_options(int argc, const char* const* argv) {
  Words words;
  CLI::App app(
      "Compress arrays of floating-point numbers with zfp, within an error bound that is checked.",
      "compress_task");
  app.require_subcommand(1);
  app.footer(std::string(examples) + exit_codes);
  app.set_version_flag("--version", "compress_task 1.0.0, zfp " ZFP_VERSION_STRING);
  add_subcommands(app, words, argc > 1 ? argv[1] : "");
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    const auto subs = app.get_subcommands();
    return PrintText{subs.empty() ? app.help() : subs.front()->help("compress_task")};
  } catch (const CLI::CallForVersion& version) {
    return PrintText{std::string(version.what()) + "\n"};
  } catch (const CLI::ParseError& error) {
    usage(error.what());
  }
  return chosen(*app.get_subcommands().front(), words);
}

}  // namespace ct
