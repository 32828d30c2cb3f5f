#include "cli/csv.h"

#include <algorithm>
#include <utility>

namespace ticketing::cli {
namespace {

class CsvReader {
 public:
  explicit CsvReader(std::string_view content) : rest_(content) {
    constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
    if (rest_.starts_with(kByteOrderMark)) rest_.remove_prefix(kByteOrderMark.size());
  }

  std::vector<CsvRecord> Read() && {
    while (!rest_.empty()) {
      if (EndOfLine() > 0) {
        Take(EndOfLine());
        continue;
      }
      ReadRecord();
    }
    return std::move(records_);
  }

 private:
  // The bytes of the line end that comes next; 0 when none does.
  std::size_t EndOfLine() const { return rest_.starts_with("\r\n") ? 2 : rest_.starts_with('\n') ? 1 : 0; }

  std::string_view Take(std::size_t bytes) {
    const std::string_view taken = rest_.substr(0, bytes);
    line_ += static_cast<std::size_t>(std::ranges::count(taken, '\n'));
    rest_.remove_prefix(taken.size());
    return taken;
  }

  void ReadRecord() {
    const std::string_view from = rest_;
    CsvRecord record{.line = line_, .text = {}, .fields = {}, .error = {}};
    for (;;) {
      record.error = ReadField(record.fields.emplace_back());
      if (!record.error.empty()) Take(std::min(rest_.find('\n'), rest_.size()));
      if (!rest_.starts_with(',')) break;
      Take(1);
    }
    record.text = from.substr(0, from.size() - rest_.size());
    if (rest_.starts_with('\n') && record.text.ends_with('\r')) record.text.pop_back();
    Take(EndOfLine());
    records_.push_back(std::move(record));
  }

  // Returns the rule that is broken, or an empty text.
  std::string ReadField(std::string& field) {
    if (!rest_.starts_with('"')) {
      field = Take(std::min(rest_.find_first_of(",\n\""), rest_.size()));
      if (rest_.starts_with('"')) return "has a quote inside a field that does not begin with one";
      if (rest_.starts_with('\n') && field.ends_with('\r')) field.pop_back();
      if (field.find('\r') != std::string::npos) return "has a carriage return outside quotes";
      return {};
    }
    const std::size_t opened = line_;
    for (;;) {
      Take(1);
      const std::size_t end = rest_.find('"');
      if (end == std::string_view::npos) {
        Take(rest_.size());
        return "has a quote that is never closed, opened in line " + std::to_string(opened);
      }
      field += Take(end);
      Take(1);
      if (!rest_.starts_with('"')) break;
      field += '"';
    }
    if (!rest_.empty() && !rest_.starts_with(',') && EndOfLine() == 0) return "has text behind a closing quote";
    return {};
  }

  std::string_view rest_;
  std::size_t line_ = 1;
  std::vector<CsvRecord> records_;
};

}  // namespace

std::vector<CsvRecord> ParseCsv(std::string_view content) {
  return CsvReader(content).Read();
}

}  // namespace ticketing::cli
