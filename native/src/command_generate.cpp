#include "commands.hpp"
#include "generate.hpp"
#include "hash.hpp"
#include "npy.hpp"
#include "output_file.hpp"
#include "report.hpp"
#include "stopwatch.hpp"

namespace ct {

void run(const GenerateOptions& options) {
  Stopwatch watch;
  Report report;
  report.command = "generate";
  const ArrayInfo info = generated_info(options.spec);
  OutputFile out(options.output);
  const std::string header = npy_header(info);
  out.append({reinterpret_cast<const std::byte*>(header.data()), header.size()});
  const FieldGenerator generator(options.spec);
  std::vector<double> plane(options.spec.size * options.spec.size);
  Hasher hasher;
  for (uint64_t z = 0; z < options.spec.size; ++z) {
    generator.plane(z, plane.data());
    const Bytes bytes{reinterpret_cast<const std::byte*>(plane.data()),
                      plane.size() * sizeof(double)};
    hasher.update(bytes);
    out.append(bytes);
  }
  report.bytes_out = out.position();
  out.commit();
  watch.lap(report.write_s);
  report.info = info;
  report.xxh3_original = hasher.digest();
  report.stored = "npy";
  print_report(report);
}

void run(const PrintText& options) {
  print_text(options.text);
}

}  // namespace ct
