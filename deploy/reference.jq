# The reference of a contract, in Markdown, from its descriptor set in JSON with comments.

# The comments of a file by the path of what they stand before, without the blank that follows each //.
def texts: [.sourceCodeInfo.location[] | select(.leadingComments)
  | {key: (.path | tojson), value: (.leadingComments | rtrimstr("\n") | split("\n") | map(ltrimstr(" ")) | join("\n"))}]
  | from_entries;
def text($texts; $what): $texts[tojson] // error("\($what) has no comment");

def link: if startswith("ticketing.") then "[`\(.)`](#\(.))" else "`\(.)`" end;
def type: if .typeName then .typeName[1:] else .type[5:] | ascii_downcase end;

def section($id; $title): "## <a id=\"\($id)\"></a>\($title)\n\n\(.)\n";
# The text of an item may have paragraphs and lists of its own.
def item($title): "- \($title)\n\n\(split("\n") | map(if . == "" then . else "  \(.)" end) | join("\n"))\n";

def service($texts; $path; $scope): "\($scope).\(.name)" as $id | .name as $name
  | ($path | text($texts; $id) | section($id; "Service \($name)")),
    (.method | to_entries[] | .key as $index | .value
      | "**`\(.name)`**: \(.inputType[1:] | link) → \(if .serverStreaming then "stream of " else "" end)\(
          .outputType[1:] | link)" as $title
      | "\($id).\(.name)" as $method
      | $path + [2, $index] | text($texts; $method) | item($title));

def enum($texts; $path; $scope): "\($scope).\(.name)" as $id
  | ($path | text($texts; $id) | section($id; $id | ltrimstr("ticketing.v1."))),
    (.value | to_entries[] | .key as $index | .value
      | "**`\(.name)`** = \(.number)" as $title | "\($id).\(.name)" as $value
      | $path + [2, $index] | text($texts; $value) | item($title));

def field($maps): $maps[.typeName // ""] as $map
  | if $map then "map of \($map[0] | type | link) to \($map[1] | type | link)"
    elif .label == "LABEL_REPEATED" then "repeated \(type | link)"
    elif .proto3Optional then "optional \(type | link)"
    else type | link end;

def message($texts; $path; $scope): . as $message | "\($scope).\(.name)" as $id
  | ([.nestedType[]? | select(.options.mapEntry) | {key: ".\($id).\(.name)", value: .field}] | from_entries) as $maps
  | ($path | text($texts; $id) | section($id; $id | ltrimstr("ticketing.v1."))),
    (.oneofDecl // [] | to_entries[] | .key as $index | .value.name as $name
      # An optional field is a choice of one, by the compiler's own making.
      | select([$message.field[] | select(.oneofIndex == $index and .proto3Optional)] == [])
      | $path + [8, $index] | text($texts; "\($id).\($name)") | item("At most one is set of `\($name)`:")),
    (.field // [] | to_entries[] | .key as $index | .value
      | (if .oneofIndex == null or .proto3Optional then "" else ", of `\($message.oneofDecl[.oneofIndex].name)`" end) as $choice
      | "**`\(.name)`** = \(.number): \(field($maps))\($choice)" as $title | "\($id).\(.name)" as $field
      | $path + [2, $index] | text($texts; $field) | item($title)),
    (.nestedType // [] | to_entries[] | select(.value.options.mapEntry | not)
      | .key as $index | .value | message($texts; $path + [3, $index]; $id)),
    (.enumType // [] | to_entries[] | .key as $index | .value | enum($texts; $path + [4, $index]; $id));

[.file[] | select(.package | startswith("ticketing.")) | .texts = texts] as $files
| "# \($files[0].package)\n",
  ($files[] | .texts as $texts | "`\(.name)`: \([12] | text($texts; "the file"))\n"),
  ($files[] | . as $file | .service // [] | to_entries[] | .key as $index | .value
    | service($file.texts; [6, $index]; $file.package)),
  ($files[] | . as $file | .messageType // [] | to_entries[] | .key as $index | .value
    | message($file.texts; [4, $index]; $file.package)),
  ($files[] | . as $file | .enumType // [] | to_entries[] | .key as $index | .value
    | enum($file.texts; [5, $index]; $file.package))
