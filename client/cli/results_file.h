// The memory of a list: what became of its lines, over all runs.
#pragma once

#include <sys/types.h>

#include <map>
#include <memory>
#include <string>
#include <variant>

#include "cli/list_result.h"

namespace ticketing::cli {

// Of one run at a time: a second one that opens the same file is refused.
class ResultsFile {
 public:
  // Makes the file when there is none. A last line without an end was being written when a run died; it is cut off. The
  // error is a text for people.
  static std::variant<std::unique_ptr<ResultsFile>, std::string> Open(const std::string& path);

  ~ResultsFile();
  ResultsFile(const ResultsFile&) = delete;
  ResultsFile& operator=(const ResultsFile&) = delete;

  // By request_id, the last one of each; what was there when the file was opened.
  const std::map<std::string, LineResult>& known() const { return known_; }

  // One line, given to the system before it returns. False when that failed; then nothing of it is left.
  bool Append(const LineResult& result);

 private:
  explicit ResultsFile(int descriptor) : descriptor_(descriptor) {}
  std::string Load();  // the error

  int descriptor_;
  off_t size_ = 0;  // of what is whole
  std::map<std::string, LineResult> known_;
};

}  // namespace ticketing::cli
