# awk -f verbs.awk verbs.def template: the template, with @VERBS@ replaced by a line "name TAB arguments TAB meaning" for each verb.
BEGIN { FS = "\"" }
FILENAME ~ /\.def$/ { if ($0 ~ /^(VERB|TOOL)\(/) rows = rows $2 "\t" $4 "\t" $6 "\n"; next }
/^@VERBS@$/ { printf "%s", rows; next }
{ print }
