package slo

import (
	"math"
	"strings"
	"testing"

	"github.com/plumbline/plumbline/pkg/strictyaml"
)

func TestParseBound(t *testing.T) {
	for _, c := range []struct {
		name, text string
		op         string
		low, high  float64
		dimension  strictyaml.Dimension
	}{
		{"less than a time", "< 500ms", "<", .5, 0, strictyaml.Time},
		{"no space is needed", "<500ms", "<", .5, 0, strictyaml.Time},
		{"space around does not matter", "  >=  2 s ", ">=", 2, 0, strictyaml.Time},
		{"microseconds in ASCII", "<= 250us", "<=", 250e-6, 0, strictyaml.Time},
		{"microseconds in Greek", "<= 250µs", "<=", 250e-6, 0, strictyaml.Time},
		{"minutes", "> 2m", ">", 120, 0, strictyaml.Time},
		{"hours", "> 1.5h", ">", 5400, 0, strictyaml.Time},
		{"a percentage is a share", "< 0.5%", "<", .005, 0, strictyaml.Share},
		{"a plain number", ">= 1000", ">=", 1000, 0, strictyaml.Plain},
		{"an exponent", "< 1e-3", "<", .001, 0, strictyaml.Plain},
		{"a negative number", "> -5", ">", -5, 0, strictyaml.Plain},
		{"equality", "== 0", "==", 0, 0, strictyaml.Plain},
		{"a rate", ">= 200 req/s", ">=", 200, 0, strictyaml.Rate},
		{"decimal bytes", "< 2MB", "<", 2e6, 0, strictyaml.Bytes},
		{"binary bytes", "< 2MiB", "<", 2 << 20, 0, strictyaml.Bytes},
		{"a range", "10s..15s", "..", 10, 15, strictyaml.Time},
		{"a range with spaces and two units", "500ms .. 2s", "..", .5, 2, strictyaml.Time},
		{"a range with its unit at the end", "10..500ms", "..", .01, .5, strictyaml.Time},
		{"a range of one value", "3..3", "..", 3, 3, strictyaml.Plain},
	} {
		t.Run(c.name, func(t *testing.T) {
			b, err := ParseBound(c.text)
			if err != nil {
				t.Fatal(err)
			}
			if b.op != c.op || !near(b.low, c.low) || !near(b.high, c.high) || b.dimension != c.dimension || b.Relative() {
				t.Errorf("got %s %v %v %s relative %v, want %s %v %v %s", b.op, b.low, b.high, b.dimension, b.relative, c.op, c.low, c.high, c.dimension)
			}
			if want := strings.TrimSpace(c.text); b.Text != want {
				t.Errorf("got text %q, want %q", b.Text, want)
			}
		})
	}
}

func TestParseBoundErrors(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"nothing", "", "want a bound such as"},
		{"a value without an operator", "500ms", `got "500ms"`},
		{"an operator without a value", "<", `got "<"`},
		{"an operator that there is not", "=< 5", `got "=< 5"`},
		{"an unknown unit", "< 5 parsecs", `unknown unit "parsecs"`},
		{"an unknown unit at a range's lower end", "5x..6s", `unknown unit "x"`},
		{"an unknown unit at a range's upper end", "5s..6x", `unknown unit "x"`},
		{"an unknown unit beside the baseline", "< baseline + 5x", `unknown unit "x"`},
		{"a number with two points", "< 1.2.3", `got "< 1.2.3"`},
		{"a range of two kinds", "5%..15s", "one end is a percentage, the other a time"},
		{"a baseline times a time", "<= baseline * 50ms", "multiply the baseline by a number"},
		{"a baseline times nothing", "<= baseline * 0", "multiply the baseline by a number"},
		{"a range upside down", "15s..10s", "the lower end comes first"},
		{"equal to the baseline", "== baseline", `got "== baseline"`},
		{"something after the value", "< 5s please", `got "< 5s please"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			if b, err := ParseBound(c.text); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %+v, error %v, want an error with %s", b, err, c.want)
			}
		})
	}
}

func TestBoundHolds(t *testing.T) {
	for _, c := range []struct {
		bound         string
		holds, breaks []float64
	}{
		{"< 5", []float64{4.9}, []float64{5, 6}},
		{"<= 5", []float64{4.9, 5}, []float64{5.1}},
		{"> 5", []float64{5.1}, []float64{5, 4}},
		{">= 5", []float64{5, 6}, []float64{4.9}},
		{"== 5", []float64{5}, []float64{4.9, 5.1}},
		{"2..5", []float64{2, 3, 5}, []float64{1.9, 5.1}},
	} {
		t.Run(c.bound, func(t *testing.T) {
			b := bound(t, c.bound)
			for _, v := range c.holds {
				if !b.Holds(v) {
					t.Errorf("got %v broken by %v, want it kept", c.bound, v)
				}
			}
			for _, v := range append(c.breaks, math.NaN()) {
				if b.Holds(v) {
					t.Errorf("got %v kept by %v, want it broken", c.bound, v)
				}
			}
		})
	}
}

func TestBoundRelativeToTheBaseline(t *testing.T) {
	for _, c := range []struct {
		bound          string
		baseline, want float64
		dimension      strictyaml.Dimension
	}{
		{"<= baseline", 2, 2, strictyaml.Plain},
		{"<= baseline * 1.10", 2, 2.2, strictyaml.Plain},
		{"< baseline + 50ms", 2, 2.05, strictyaml.Time},
		{"> baseline - 0.5%", .9, .895, strictyaml.Share},
		{">=baseline*.5", 10, 5, strictyaml.Plain},
	} {
		t.Run(c.bound, func(t *testing.T) {
			b := bound(t, c.bound)
			if !b.Relative() || !math.IsNaN(b.Limit()) || b.dimension != c.dimension {
				t.Errorf("got relative %v, limit %v, %s, want a relative bound of %s without a limit", b.Relative(), b.Limit(), b.dimension, c.dimension)
			}
			if _, known := b.resolve(math.NaN()); known {
				t.Error("got a bound without a baseline, want none")
			}
			abs, known := b.resolve(c.baseline)
			if !known || abs.Relative() || !near(abs.Limit(), c.want) {
				t.Errorf("got %v, %v, want %v", abs.Limit(), known, c.want)
			}
		})
	}
}

func TestBoundLimitIsTheUpperEndOfARange(t *testing.T) {
	if got := bound(t, "10s..15s").Limit(); got != 15 {
		t.Errorf("got %v, want 15", got)
	}
	if got := bound(t, ">= 10s").Limit(); got != 10 {
		t.Errorf("got %v, want 10", got)
	}
}

func TestBoundWithinAnInterval(t *testing.T) {
	for _, c := range []struct {
		name, bound string
		low, high   float64
		want        bool
	}{
		{"the limit lies inside", "< 5", 4, 6, true},
		{"the limit lies outside", "< 5", 6, 7, false},
		{"the limit is an end", "< 5", 5, 7, false},
		{"a range's lower end lies inside", "5..9", 4, 6, true},
		{"a range's upper end lies inside", "5..9", 8, 10, true},
		{"a range lies around", "5..9", 6, 8, false},
		{"zero is no limit of a simple bound", "< 5", -1, 1, false},
		{"a counted value has no interval", "< 5", math.NaN(), math.NaN(), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := bound(t, c.bound).within(c.low, c.high); got != c.want {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

func bound(t *testing.T, text string) Bound {
	t.Helper()
	b, err := ParseBound(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// near is equality but for the last digits; NaN is near NaN.
func near(a, b float64) bool {
	return a == b || math.IsNaN(a) && math.IsNaN(b) || math.Abs(a-b) <= 1e-9*max(math.Abs(a), math.Abs(b))
}
