#include "commands.hpp"
#include "mapped_file.hpp"
#include "report.hpp"
#include "restore.hpp"

namespace ct {

void run(const InfoOptions& options) {
  const MappedFile file(options.path);
  const Container container = open_container(file.bytes());
  check_contents(container);
  print_text(info_line(container.header, options.path, file.bytes().size));
}

}  // namespace ct
