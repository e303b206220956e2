package report

import "testing"

func TestQuantity(t *testing.T) {
	for _, tt := range []struct {
		value Number
		unit  string
		want  string
	}{
		{0.187, "s", "187 ms"}, {0.0008, "s", "800 µs"}, {0.0021, "s", "2.1 ms"}, {2.1, "s", "2.1 s"}, {8.3, "s", "8.3 s"}, {0.9996, "s", "1 s"}, {0, "s", "0 s"},
		{1023.5, "req/s", "1,023.5 req/s"}, {450, "req/s", "450 req/s"},
		{183.0 / 1847293, "ratio", "0.010 %"}, {0.0023, "ratio", "0.23 %"}, {0.62, "ratio", "62 %"}, {0.9999, "ratio", "99.99 %"}, {1, "ratio", "100 %"}, {0.9999999, "ratio", "> 99.999 %"}, {1e-9, "ratio", "< 0.001 %"}, {0, "ratio", "0 %"},
		{4.2e9, "bytes", "4.2 GB"}, {28e9, "bytes", "28 GB"}, {11.5e9, "bytes", "11.5 GB"}, {45e6, "bytes/s", "45 MB/s"}, {1e9, "bytes/s", "1 GB/s"},
		{1847293, "", "1,847,293"}, {NoData, "s", "–"}, {-1234, "", "−1,234"},
	} {
		if got := quantity(tt.value, tt.unit); got != tt.want {
			t.Errorf("quantity(%v, %q): got %q, want %q", float64(tt.value), tt.unit, got, tt.want)
		}
	}
}

// A value that misses a bound never reads like the bound.
func TestBeside(t *testing.T) {
	for _, tt := range []struct {
		value Number
		unit  string
		bound string
		want  string
	}{
		{1.004, "s", "< 1s", "1.004 s"}, {1.00004, "s", "< 1000ms", "1.00004 s"}, {0.99996, "s", "< 1s", "0.99996 s"}, {1, "s", "< 1s", "1 s"}, {0.892, "s", "< 1s", "892 ms"},
		{0.4997, "s", "< 500ms", "499.7 ms"}, {0.4997, "s", "< 400ms", "500 ms"}, {999.96, "req/s", ">= 1000", "999.96 req/s"}, {11996, "req/s", ">= 1,000", "11,996 req/s"},
		{0.99899, "ratio", "> 99.9%", "99.899 %"}, {0.9, "ratio", "< 90%", "90 %"}, {0.0010004, "ratio", "< 0.1%", "0.10004 %"}, {4.04e9, "bytes", "< 4GB", "4.04 GB"},
		{NoData, "s", "< 1s", "–"}, {1.004, "s", "", "1 s"}, {0, "", "<= 0", "0"},
	} {
		if got := beside(tt.value, tt.unit, tt.bound); got != tt.want {
			t.Errorf("beside(%v, %q, %q): got %q, want %q", float64(tt.value), tt.unit, tt.bound, got, tt.want)
		}
	}
}

func TestChange(t *testing.T) {
	for value, want := range map[Number]string{1.2722: "+127 %", -0.5247: "−52 %", 0: "±0 %", 0.031: "+3.1 %"} {
		if got := change(value); got != want {
			t.Errorf("change(%v): got %q, want %q", float64(value), got, want)
		}
	}
}

func TestBound(t *testing.T) {
	for text, want := range map[string]string{
		"< 500ms": "< 500 ms", ">= 1000": "≥ 1,000", "<0.1%": "< 0.1 %", "10s..15s": "10 s … 15 s", "<= baseline * 1.10": "≤ baseline × 1.10", "<= baseline + 50ms": "≤ baseline + 50 ms", "> 99.9%": "> 99.9 %",
	} {
		if got := bound(text); got != want {
			t.Errorf("bound(%q): got %q, want %q", text, got, want)
		}
	}
}

func TestInterval(t *testing.T) {
	for _, tt := range []struct {
		low, high Number
		want      string
	}{{0.186, 0.188, "186–188 ms"}, {0.871, 1.015, "871 ms–1 s"}, {NoData, 1, ""}} {
		if got := valueInterval(tt.low, tt.high, "s"); got != tt.want {
			t.Errorf("valueInterval(%v, %v): got %q, want %q", tt.low, tt.high, got, tt.want)
		}
	}
}
