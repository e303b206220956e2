package report

// A section is a part of the report, worked out as far as text: every format
// writes the same sections.
type section struct {
	ID, Title string
	Note      string // what a reader must know about all of it
	Tables    []table
	Bars      []bars
	Curves    []curve
	Charts    []Chart
	Code      []codeBlock
}

// A table has cells of text; an empty one is never shown.
type table struct {
	Title   string
	Status  *status // of a finding
	Note    string
	Columns []column
	Rows    []row
}

type column struct {
	Title string
	Right bool // numbers stand right-aligned
}

// A row has a cell for each column, and a note where a verdict needs its reason.
type row struct {
	Cells []cell
	Note  string
	Head  bool // sums up the rows that follow
}

// A cell is a value with what stands beside it.
type cell struct {
	Text   string
	Small  string // interval or share, in small grey
	Status *status
	Bar    Number // share of the limit that is used
	Source *source
	Link   bool // Text is a URL to follow
}

// A source tells where a number is from.
type source struct {
	Title, Value, Detail string
	Query, Link          string
}

// A codeBlock is a query with what came back.
type codeBlock struct {
	Text, Note, Link string
}

// A part is a line of the table of contents.
type part struct {
	id, title string
	build     func(Report) section
}

// parts are the sections in the guide's order; one that has nothing to show is left out.
var parts = []part{
	{"summary", "Test Run Summary", summary},
	{"environment", "Configuration and Environment", environment},
	{"throughput", "Throughput", objectivesOf("throughput")},
	{"latency", "Latency", latency},
	{"errors", "Error Rate", objectivesOf("errors")},
	{"availability", "Availability", objectivesOf("availability", "users")},
	{"other", "Other objectives", otherObjectives},
	{"resources", "Resource Utilization", resources},
	{"findings", "Bottleneck Identification", findings},
	{"improvements", "Performance Improvements", improvements},
	{"comparison", "Baseline vs Target vs Actual", comparison},
	{"requests", "Requests", requests},
	{"checks", "Data checks", checks},
	{"charts", "Charts", otherCharts},
	{"capacity", "Capacity", capacitySection},
	{"appendix", "Appendix", appendix},
}

// sections works out all parts of the report that have something to show.
func sections(r Report) []section {
	var all []section
	for _, p := range parts {
		s := p.build(r)
		s.ID, s.Title = p.id, p.title
		s.Tables = filled(s.Tables)
		if s.Note != "" || len(s.Tables) > 0 || len(s.Charts) > 0 || len(s.Code) > 0 {
			all = append(all, s)
		}
	}
	return all
}

func filled(tables []table) []table {
	var kept []table
	for _, t := range tables {
		if len(t.Rows) > 0 {
			kept = append(kept, t)
		}
	}
	return kept
}

func text(s string) cell { return cell{Text: s, Bar: NoData} }

func link(url string) cell { return cell{Text: url, Bar: NoData, Link: true} }

func statusCell(s status) cell { return cell{Status: &s, Bar: NoData} }

// left and right make columns of text and of numbers.
func left(titles ...string) []column  { return columns(titles, false) }
func right(titles ...string) []column { return columns(titles, true) }

func columns(titles []string, right bool) []column {
	var cs []column
	for _, t := range titles {
		cs = append(cs, column{t, right})
	}
	return cs
}

func joined(groups ...[]column) []column {
	var cs []column
	for _, g := range groups {
		cs = append(cs, g...)
	}
	return cs
}
