package bottleneck

import (
	"fmt"
	"math"
	"time"
)

// percent writes a share.
func percent(share float64) string {
	switch p := 100 * share; {
	case math.IsNaN(p):
		return "an unknown share"
	case p > 0 && p < 1, p > 99 && p < 100:
		return fmt.Sprintf("%.1f %%", p)
	default:
		return fmt.Sprintf("%.0f %%", p)
	}
}

// seconds writes a length of time as a person would.
func seconds(s float64) string {
	switch {
	case math.IsNaN(s) || math.IsInf(s, 0):
		return "an unknown time"
	case s < 1:
		return fmt.Sprintf("%.0f ms", 1000*s)
	case s < 100:
		return fmt.Sprintf("%.1f s", s)
	case s < 48*3600:
		return (time.Duration(s) * time.Second).Round(time.Minute).String()[:len((time.Duration(s)*time.Second).Round(time.Minute).String())-2]
	}
	return fmt.Sprintf("%.0f days", s/86400)
}

// quantity writes a value in base units.
func quantity(v float64, unit string) string {
	switch {
	case math.IsNaN(v):
		return "an unknown limit"
	case unit == "ratio":
		return percent(v)
	case unit == "s":
		return seconds(v)
	case unit == "bytes":
		for _, u := range []struct {
			size float64
			name string
		}{{1e12, "TB"}, {1e9, "GB"}, {1e6, "MB"}, {1e3, "kB"}} {
			if math.Abs(v) >= u.size {
				return fmt.Sprintf("%.1f %s", v/u.size, u.name)
			}
		}
		return fmt.Sprintf("%.0f B", v)
	case v == math.Trunc(v):
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.1f", v)
}
