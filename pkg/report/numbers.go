package report

import (
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// noData is printed where there is no number.
const noData = "–"

// A prefix is a multiple of a unit; the largest that a value reaches is printed.
type prefix struct {
	factor float64 // one of it in base units
	name   string
}

var (
	secondPrefixes = []prefix{{1, "s"}, {1e-3, "ms"}, {1e-6, "µs"}}
	bytePrefixes   = []prefix{{1e12, "TB"}, {1e9, "GB"}, {1e6, "MB"}, {1e3, "kB"}, {1, "B"}}
)

// quantity prints a number in base units as a person would write it: 187 ms,
// 2.1 s, 1,023.5 req/s, 0.010 %, 4.2 GB, 1,847,293.
func quantity(n Number, unit string) string {
	if !n.Known() {
		return noData
	}
	v := float64(n)
	switch unit {
	case "s":
		return prefixed(v, secondPrefixes, "")
	case "bytes":
		return prefixed(v, bytePrefixes, "")
	case "bytes/s":
		return prefixed(v, bytePrefixes, "/s")
	case "ratio":
		return percent(v)
	case "":
		return plain(v)
	}
	return plain(v) + " " + unit
}

// beside prints a number that stands next to its bounds: with more digits where it
// would else read like one of them that it differs from (1.004 s by < 1 s).
func beside(n Number, unit string, bounds ...string) string {
	const equal = 1e-9 // relative; what is nearer differs by rounding alone
	text, v := quantity(n, unit), float64(n)
	for _, b := range boundValues(strings.Join(bounds, " ")) {
		if quantity(Number(b), unit) == text && math.Abs(v-b) > equal*math.Abs(b) {
			return apart(v, b, unit)
		}
	}
	return text
}

// apart prints v with as many digits as it takes to tell it from another number.
func apart(v, other float64, unit string) string {
	digits := 4
	for precise(v, unit, digits) == precise(other, unit, digits) {
		digits++
	}
	return precise(v, unit, digits)
}

// precise prints v with so many significant digits.
func precise(v float64, unit string, digits int) string {
	factor, name := scale(unit, v)
	decimals := 0
	if scaled := math.Abs(v / factor); scaled > 0 {
		decimals = max(0, digits-1-int(math.Floor(math.Log10(scaled))))
	}
	return strings.TrimSuffix(trimZeros(thousands(v/factor, decimals))+" "+name, " ")
}

// boundValues are the numbers in a bound of an SLA file, in base units.
func boundValues(text string) (values []float64) {
	for _, m := range boundNumber.FindAllStringSubmatch(text, -1) {
		if v, err := strconv.ParseFloat(strings.ReplaceAll(m[1]+m[2], ",", ""), 64); err == nil {
			values = append(values, v*inBase(m[3]))
		}
	}
	return values
}

// inBase is how much one of a unit is in base units.
func inBase(unit string) float64 {
	if unit == "%" {
		return .01
	}
	for _, p := range slices.Concat(secondPrefixes, bytePrefixes) {
		if p.name == unit {
			return p.factor
		}
	}
	return 1
}

// prefixed prints v in the largest of the prefixes that it reaches.
func prefixed(v float64, prefixes []prefix, suffix string) string {
	p := fitting(v, prefixes)
	scaled := v / p.factor
	if math.Abs(scaled) >= 100 {
		scaled = math.Round(scaled)
	} else if math.Abs(scaled) >= 10 && p.name != "s" && p.name != "GB" {
		scaled = math.Round(scaled)
	}
	return plain(math.Round(scaled*10)/10) + " " + p.name + suffix
}

// fitting is the largest prefix that v reaches once rounded: 999.7 ms is 1 s.
func fitting(v float64, prefixes []prefix) prefix {
	if v == 0 {
		return prefixes[0]
	}
	for _, p := range prefixes {
		if math.Abs(v)/p.factor >= 0.9995 {
			return p
		}
	}
	return prefixes[len(prefixes)-1]
}

// plain prints a number without unit, with thousands separators: whole numbers
// as they are, others with a decimal below 10,000 or with three significant
// digits below 1.
func plain(v float64) string {
	abs := math.Abs(v)
	switch {
	case v == math.Trunc(v):
		return thousands(v, 0)
	case abs < 1:
		decimals := 2 - int(math.Floor(math.Log10(abs)))
		return trimZeros(thousands(v, min(decimals, 9)))
	case abs >= 10000:
		return thousands(v, 0)
	}
	return trimZeros(thousands(v, 1))
}

// percent prints a ratio. Near 0 and near 1, where the distance matters, it
// keeps decimals and never rounds to either end.
func percent(ratio float64) string {
	p := ratio * 100
	rest := math.Min(math.Abs(p), math.Abs(100-p))
	switch {
	case p == 0 || p == 100:
		return thousands(p, 0) + " %"
	case math.Abs(p) < 0.0005:
		return "< 0.001 %"
	case p < 100 && rest < 0.0005:
		return "> 99.999 %"
	case rest < 0.1 && p < 50:
		return thousands(p, 3) + " %"
	case rest < 0.1:
		return trimZeros(thousands(p, 3)) + " %"
	case rest < 1:
		return trimZeros(thousands(p, 2)) + " %"
	case rest < 10:
		return trimZeros(thousands(p, 1)) + " %"
	}
	return thousands(p, 0) + " %"
}

// change prints a relative change with its sign: +127 %, −52 %.
func change(n Number) string {
	if !n.Known() {
		return noData
	}
	p := float64(n) * 100
	decimals := 0
	if math.Abs(p) < 10 {
		decimals = 1
	}
	text := trimZeros(thousands(math.Abs(p), decimals)) + " %"
	switch {
	case strings.HasPrefix(text, "0 "):
		return "±0 %"
	case p < 0:
		return "−" + text
	}
	return "+" + text
}

// interval prints two ends; a unit that they share stands once, at the end.
func interval(low, high Number, show func(Number) string) string {
	if !low.Known() || !high.Known() {
		return ""
	}
	l, h := show(low), show(high)
	lNumber, lUnit, _ := strings.Cut(l, " ")
	_, hUnit, _ := strings.Cut(h, " ")
	if lUnit == hUnit && !strings.ContainsAny(l+h, "<>") {
		l = lNumber
	}
	if l == h || strings.HasPrefix(h, l+" ") {
		return ""
	}
	if strings.ContainsAny(l+h, "+−") {
		return l + " to " + h
	}
	return l + "–" + h
}

func valueInterval(low, high Number, unit string) string {
	return interval(low, high, func(n Number) string { return quantity(n, unit) })
}

var (
	boundNumber  = regexp.MustCompile(`(\d[\d,]*)(\.\d+)?\s*(%|[A-Za-zµ]+(?:/[a-z]+)?)?`)
	boundSymbols = strings.NewReplacer("<=", "≤ ", ">=", "≥ ", "==", "= ", "<", "< ", ">", "> ", "*", " × ", "..", " … ")
	spaces       = regexp.MustCompile(`\s+`)
)

// bound prints the bound of an SLA file: "<500ms" is "< 500 ms", ">= 1000" is "≥ 1,000".
func bound(text string) string {
	text = boundSymbols.Replace(text)
	text = boundNumber.ReplaceAllStringFunc(text, func(s string) string {
		m := boundNumber.FindStringSubmatch(s)
		number := m[1] + m[2]
		if whole, err := strconv.ParseFloat(m[1], 64); err == nil {
			number = thousands(whole, 0) + m[2]
		}
		if m[3] != "" {
			return number + " " + m[3]
		}
		if strings.HasSuffix(s, " ") {
			return number + " "
		}
		return number
	})
	return strings.TrimSpace(spaces.ReplaceAllString(text, " "))
}

// bounds prints must and should as one target; "–" when there is neither.
func bounds(must, should string) string {
	switch {
	case must == "" && should == "":
		return noData
	case should == "":
		return bound(must)
	case must == "":
		return "should " + bound(should)
	}
	return bound(must) + ", should " + bound(should)
}

// thousands prints v with the given decimals and a comma between thousands.
func thousands(v float64, decimals int) string {
	text := strconv.FormatFloat(math.Abs(v), 'f', decimals, 64)
	whole, fraction, _ := strings.Cut(text, ".")
	var b strings.Builder
	if v < 0 && strings.Trim(text, "0.") != "" {
		b.WriteString("−")
	}
	for i, digit := range whole {
		if i > 0 && (len(whole)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(digit)
	}
	if fraction != "" {
		b.WriteString("." + fraction)
	}
	return b.String()
}

func trimZeros(text string) string {
	if !strings.Contains(text, ".") {
		return text
	}
	return strings.TrimSuffix(strings.TrimRight(text, "0"), ".")
}

// duration prints a length of time to the second: 30 min 5 s.
func duration(d time.Duration) string {
	d = d.Round(time.Second)
	var parts []string
	for _, p := range []struct {
		length time.Duration
		name   string
	}{{time.Hour, "h"}, {time.Minute, "min"}, {time.Second, "s"}} {
		if n := d / p.length; n > 0 {
			parts = append(parts, strconv.Itoa(int(n))+" "+p.name)
			d -= n * p.length
		}
	}
	if len(parts) == 0 {
		return "0 s"
	}
	return strings.Join(parts, " ")
}
