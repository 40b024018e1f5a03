# SPDX-License-Identifier: MIT
# Lines of "row<tab>column<tab>cell" as a table; rows and columns in the order in
# which they first come.
BEGIN { FS = "\t" }
{
	if (!($1 in row)) rows[++nr_rows] = $1
	if (!($2 in column)) columns[++nr_columns] = $2
	row[$1] = column[$2] = 1
	cell[$1, $2] = $3
}
END {
	if (!nr_rows) exit
	printf "faults: %-32s", "fault"
	for (c = 1; c <= nr_columns; c++) printf "%-16s", columns[c]
	print ""
	for (r = 1; r <= nr_rows; r++) {
		printf "faults: %-32s", rows[r]
		for (c = 1; c <= nr_columns; c++) {
			text = cell[rows[r], columns[c]]
			printf "%-16s", text == "" ? "-" : text
		}
		print ""
	}
	print "faults: seconds from the fault's end to the next bytes, in an emulated machine"
}
