#include "cli/list_file.h"

#include <google/protobuf/struct.pb.h>

#include <algorithm>
#include <boost/uuid/name_generator_sha1.hpp>
#include <boost/uuid/string_generator.hpp>
#include <boost/uuid/uuid_io.hpp>
#include <map>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

#include "cli/csv.h"
#include "cli/json_text.h"
#include "cli/option_values.h"
#include "cli/terminal_text.h"

namespace ticketing::cli {
namespace {

using google::protobuf::Struct;
using google::protobuf::Value;
using ticketing::v1::DeleteTicketingUserRequest;

constexpr std::size_t kMaxIdBytes = 512;

// What a column or key holds. A list takes its column several times.
enum class Kind { kText, kBoolean, kObject, kList };

const std::map<std::string_view, Kind>& Fields() {
  static const std::map<std::string_view, Kind> kFields = {
      {"id", Kind::kText},
      {"integrated_account_id", Kind::kText},
      {"collections", Kind::kList},
      {"organization", Kind::kText},
      {"truto_response_format", Kind::kText},
      {"truto_ignore_remote_data", Kind::kBoolean},
      {"truto_exclude_fields", Kind::kList},
      {"remote_query", Kind::kObject},
      {"truto_skip_api_call", Kind::kBoolean},
      {"allow_missing", Kind::kBoolean},
      {"request_id", Kind::kText},
  };
  return kFields;
}

std::string FieldName(const std::string& name) {
  return name == "account" ? "integrated_account_id" : name;
}

std::string CheckText(const std::string& text) {
  if (text.empty()) return "must not be empty";
  const auto is_control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; };
  return std::ranges::any_of(text, is_control) ? "must not contain control characters" : "";
}

std::string CheckId(const std::string& id) {
  if (id == "." || id == "..") return "must be neither '.' nor '..'";
  if (id.size() > kMaxIdBytes) return "must be at most " + std::to_string(kMaxIdBytes) + " bytes long";
  return CheckText(id);
}

// Builds the request of one line, and collects what is wrong with it.
class LineReader {
 public:
  LineReader(std::size_t line, const ListDefaults& defaults, std::vector<ListProblem>& problems)
      : line_(line), problems_(problems) {
    request_.set_integrated_account_id(defaults.account);
    request_.set_allow_missing(defaults.allow_missing);
  }

  DeleteTicketingUserRequest Read(const Struct& line) {
    for (const auto& [name, value] : line.fields()) {
      const std::string field = FieldName(name);
      if (!Fields().contains(field)) {
        Report(name, "is no parameter of a delete");
      } else if (field != name && line.fields().contains(field)) {
        Report(name, "stands beside " + field);
      } else if (value.kind_case() != Value::kNullValue) {
        Set(field, value);
      }
    }
    if (!line.fields().contains("id") || line.fields().at("id").has_null_value()) Report("id", "is missing");
    return std::move(request_);
  }

  void Report(const std::string& field, const std::string& rule) { problems_.push_back({line_, field, rule}); }

 private:
  void Set(const std::string& field, const Value& value) {
    if (field == "remote_query") {
      if (!value.has_struct_value()) return Report(field, "must be a JSON object");
      *request_.mutable_remote_query() = value.struct_value();
    } else if (Fields().at(field) == Kind::kList) {
      SetList(field, value);
    } else if (Fields().at(field) == Kind::kBoolean) {
      if (!value.has_bool_value()) return Report(field, "must be true or false");
      SetBoolean(field, value.bool_value());
    } else if (const auto text = Text(field, value, /*id_object=*/field == "organization")) {
      SetText(field, *text);
    }
  }

  // A text; with `id_object` also {"id": "text"}, as the request's messages are written.
  std::optional<std::string> Text(const std::string& field, const Value& value, bool id_object) {
    const Value* text = &value;
    if (id_object && value.has_struct_value() && value.struct_value().fields_size() == 1 &&
        value.struct_value().fields().contains("id")) {
      text = &value.struct_value().fields().at("id");
    }
    if (text->has_string_value()) return text->string_value();
    Report(field, "must be text in quotes");
    return std::nullopt;
  }

  void SetList(const std::string& field, const Value& value) {
    if (!value.has_list_value()) return Report(field, "must be a list");
    const bool collections = field == "collections";
    for (const Value& element : value.list_value().values()) {
      const auto text = Text(field, element, collections);
      if (!text) continue;
      Check(field, CheckText(*text));
      if (collections) {
        request_.add_collections()->set_id(*text);
      } else {
        request_.add_truto_exclude_fields(*text);
      }
    }
  }

  void SetBoolean(const std::string& field, bool value) {
    if (field == "truto_ignore_remote_data") {
      request_.set_truto_ignore_remote_data(value);
    } else if (field == "truto_skip_api_call") {
      request_.set_truto_skip_api_call(value);
    } else {
      request_.set_allow_missing(value);
    }
  }

  void SetText(const std::string& field, const std::string& text) {
    if (field == "id") {
      Check(field, CheckId(text));
      request_.set_id(text);
    } else if (field == "integrated_account_id") {
      Check(field, CheckUuid(text));
      request_.set_integrated_account_id(text);
    } else if (field == "organization") {
      Check(field, CheckText(text));
      request_.mutable_organization()->set_id(text);
    } else if (field == "request_id") {
      Check(field, CheckUuid(text));
      request_.set_request_id(text);
    } else if (v1::TrutoResponseFormat format{}; v1::TrutoResponseFormat_Parse(text, &format)) {
      request_.set_truto_response_format(format);
    } else if (Check(field, CheckFormat(text))) {
      request_.set_truto_response_format(ResponseFormats().at(text));
    }
  }

  bool Check(const std::string& field, const std::string& rule) {
    if (!rule.empty()) Report(field, rule);
    return rule.empty();
  }

  std::size_t line_;
  std::vector<ListProblem>& problems_;
  DeleteTicketingUserRequest request_;
};

// ---------------------------------------------------------------------------------------------------------------------
// From the two formats to lines of fields
// ---------------------------------------------------------------------------------------------------------------------

class ListReader {
 public:
  explicit ListReader(const ListDefaults& defaults) : defaults_(defaults) {}

  void ReadJsonLines(std::string_view content) {
    for (std::size_t number = 1; !content.empty(); ++number) {
      const std::size_t end = std::min(content.find('\n'), content.size());
      std::string text(content.substr(0, end));
      content.remove_prefix(std::min(end + 1, content.size()));
      if (text.ends_with('\r')) text.pop_back();
      if (text.find_first_not_of(" \t") == std::string::npos) continue;
      // The line's own object is one level more.
      auto parsed = ParseJsonObject(text, kRemoteQueryLevels + 1);
      if (const auto* const rule = std::get_if<std::string>(&parsed)) {
        problems_.push_back({number, "", *rule});
      } else {
        Add(number, std::move(text), std::get<Struct>(parsed));
      }
    }
  }

  void ReadCsv(const std::string& content) {
    const std::vector<CsvRecord> records = ParseCsv(content);
    if (records.empty()) return;
    ReadHeader(records.front());
    if (!problems_.empty()) {
      // Without its columns no line can be judged further than its form.
      for (const CsvRecord& record : records) CheckForm(record);
      return;
    }
    for (auto record = records.begin() + 1; record != records.end(); ++record) {
      if (CheckForm(*record)) ReadRecord(*record);
    }
  }

  std::variant<List, std::vector<ListProblem>> Take() && {
    if (list_.lines.empty() && problems_.empty()) problems_.push_back({1, "", "the list names no user"});
    // Protobuf keeps the fields of a line in no order.
    std::ranges::sort(problems_);
    if (!problems_.empty()) return std::move(problems_);
    return std::move(list_);
  }

 private:
  void ReadHeader(const CsvRecord& header) {
    list_.header = header.text;
    std::set<std::string> names;
    for (const std::string& column : header.fields) {
      const std::string field = FieldName(column);
      columns_.push_back(field);
      const auto known = Fields().find(field);
      if (known == Fields().end()) {
        problems_.push_back({header.line, column, "the header line names a column that is no parameter of a delete"});
      } else if (!names.insert(field).second && known->second != Kind::kList) {
        problems_.push_back({header.line, column, "the header line names this column twice"});
      }
    }
    if (!names.contains("id")) problems_.push_back({header.line, "id", "the header line does not name this column"});
  }

  bool CheckForm(const CsvRecord& record) {
    const std::size_t cells = record.fields.size();
    if (!record.error.empty()) {
      problems_.push_back({record.line, "", record.error});
    } else if (!IsUtf8(record.text)) {
      problems_.push_back({record.line, "", "is not UTF-8"});
    } else if (cells != columns_.size()) {
      problems_.push_back(
          {record.line, "",
           "has " + std::to_string(cells) + " fields; the header line names " + std::to_string(columns_.size())});
    } else {
      return true;
    }
    return false;
  }

  void ReadRecord(const CsvRecord& record) {
    Struct line;
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      const std::string& cell = record.fields.at(i);
      if (cell.empty()) continue;
      const auto rule = ReadCell(columns_.at(i), cell, (*line.mutable_fields())[columns_.at(i)]);
      if (rule.empty()) continue;
      problems_.push_back({record.line, columns_.at(i), rule});
      line.mutable_fields()->erase(columns_.at(i));
    }
    Add(record.line, record.text, line);
  }

  // Returns what is wrong with the cell.
  static std::string ReadCell(const std::string& field, const std::string& cell, Value& value) {
    switch (Fields().at(field)) {
      case Kind::kText: value.set_string_value(cell); break;
      case Kind::kList: value.mutable_list_value()->add_values()->set_string_value(cell); break;
      case Kind::kBoolean: value.set_bool_value(cell == "true"); return CheckBoolean(cell);
      case Kind::kObject: {
        auto parsed = ParseJsonObject(cell);
        if (const auto* const rule = std::get_if<std::string>(&parsed)) return *rule;
        *value.mutable_struct_value() = std::get<Struct>(std::move(parsed));
        break;
      }
    }
    return {};
  }

  void Add(std::size_t number, std::string text, const Struct& fields) {
    const std::size_t problems_before = problems_.size();
    ListLine line{.number = number, .text = std::move(text), .request = {}};
    line.request = LineReader(number, defaults_, problems_).Read(fields);
    if (problems_.size() > problems_before) return;
    const bool named = !line.request.request_id().empty();
    if (!named) line.request.set_request_id(DeriveRequestId(line.request));
    const auto [first, is_new] = numbers_.emplace(line.request.request_id(), number);
    if (!is_new) {
      const std::string where = "line " + std::to_string(first->second);
      problems_.push_back(
          {number, named ? "request_id" : "", named ? "is that of " + where : "is the same delete as " + where});
      return;
    }
    list_.lines.push_back(std::move(line));
  }

  const ListDefaults& defaults_;
  List list_;
  std::vector<ListProblem> problems_;
  std::vector<std::string> columns_;
  std::map<std::string, std::size_t> numbers_;  // of lines, by request_id
};

}  // namespace

std::variant<List, std::vector<ListProblem>> ParseList(const std::string& content, const ListDefaults& defaults) {
  ListReader reader(defaults);
  const std::size_t first = content.find_first_not_of(" \t\r\n\xEF\xBB\xBF");
  if (first != std::string::npos && content[first] == '{') {
    reader.ReadJsonLines(content.starts_with("\xEF\xBB\xBF") ? std::string_view(content).substr(3) : content);
  } else {
    reader.ReadCsv(content);
  }
  return std::move(reader).Take();
}

std::string DeriveRequestId(const DeleteTicketingUserRequest& request) {
  // The project's own; another one would give every delete another name.
  static constexpr const char* kNamespace = "c2c4e159-30f9-4770-a905-4f7c3ca6b039";
  DeleteTicketingUserRequest content = request;
  content.clear_request_id();
  content.clear_allow_missing();
  content.clear_validate_only();
  content.clear_include_http_body();
  const boost::uuids::name_generator_sha1 generate(boost::uuids::string_generator()(kNamespace));
  return to_string(generate(ReadableJson(content)));
}

}  // namespace ticketing::cli
