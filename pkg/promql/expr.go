package promql

import (
	"fmt"
	"slices"
	"strings"

	"github.com/prometheus/common/model"
)

// The functions here build the expression that answers a question on any
// Prometheus, from 2.42 on. Series are given as a selector's text, with
// variables or without, such as http_requests_total{$api}; a window as PromQL
// writes it, or as a variable, such as 5m or $rate. The answer has one series
// for each combination of the labels in by, one alone without.

// A HistogramForm tells how a histogram is stored.
type HistogramForm int

// The forms of a histogram.
const (
	Classic HistogramForm = iota // _bucket, _sum and _count series
	Native                       // one series that holds it all
)

// Rate is how often per second the events of a counter happened.
func Rate(counter, window string, by ...string) string {
	return sumBy(by, fmt.Sprintf("rate(%s[%s])", counter, window))
}

// Increase is how often the events of a counter happened in a window.
func Increase(counter, window string, by ...string) string {
	return sumBy(by, fmt.Sprintf("increase(%s[%s])", counter, window))
}

// Restarts is how often processes, given by a selector of the times at which they
// started, started again in a window; nothing for those that didn't. The second
// condition is for VictoriaMetrics, to which the first value is a change as well.
func Restarts(startTimes, window string) string {
	began := startTimes + "[" + window + "]"
	return fmt.Sprintf("(changes(%s) > 0 and max_over_time(%s) > min_over_time(%s))", began, began, began)
}

// Quantile is the quantile q of a histogram, given by its base name, over the
// values of a window.
func Quantile(q float64, histogram string, form HistogramForm, window string, by ...string) string {
	if form == Classic {
		histogram, by = WithSuffix(histogram, "_bucket"), append(slices.Clone(by), model.BucketLabel)
	}
	return fmt.Sprintf("histogram_quantile(%v, %s)", q, Rate(histogram, window, by...))
}

// Mean is the mean of the values that a histogram, given by its base name, saw in a window.
func Mean(histogram string, form HistogramForm, window string, by ...string) string {
	if form == Native {
		all := Rate(histogram, window, by...) // histogram_avg says the same, from 2.52 on
		return fmt.Sprintf("histogram_sum(%s) / histogram_count(%s)", all, all)
	}
	return Rate(WithSuffix(histogram, "_sum"), window, by...) + " / " + Rate(WithSuffix(histogram, "_count"), window, by...)
}

// QuantileOfEither is a quantile of a histogram, whichever form of it is there;
// where both are it is the native one's, which is the finer. The quantile is given
// as it is written, such as 0.95 or $quantile.
func QuantileOfEither(q, histogram, window string, by ...string) string {
	native := fmt.Sprintf("histogram_quantile(%s, %s)", q, Rate(histogram, window, by...))
	return native + fmt.Sprintf(" or histogram_quantile(%s, %s)", q, Rate(WithSuffix(histogram, "_bucket"), window, append(slices.Clone(by), model.BucketLabel)...))
}

// MeanOfEither is the mean of the values of a histogram, whichever form of it is there.
func MeanOfEither(histogram, window string, by ...string) string {
	return Mean(histogram, Native, window, by...) + " or " + Mean(histogram, Classic, window, by...)
}

// Share is the events of part in those of whole, in [0, 1]. Where part has no
// series yet, since nothing of it ever happened, and whole does, it is 0.
func Share(part, whole, window string, by ...string) string {
	all := Rate(whole, window, by...)
	return fmt.Sprintf("(%s or 0 * %s) / %s", Rate(part, window, by...), all, all)
}

// ShareOfIntervals is the share, in [0, 1], of the intervals of a window with any
// event of whole in which there was one of part: an uptime, where part is the
// answers that succeeded. An interval holds at least two scrapes.
func ShareOfIntervals(part, whole, interval, window string) string {
	return OverTime("avg", Happened(part, whole, interval), window, interval)
}

// Happened is 1 where there was an event of part in the interval that ends, 0 where
// there were only others of whole, and nothing where there were none.
func Happened(part, whole, interval string, by ...string) string {
	all := Increase(whole, interval, by...)
	return fmt.Sprintf("((%s or 0 * %s) > bool 0) and %s > 0", Increase(part, interval, by...), all, all)
}

// OverTime is the least, greatest or mean value (min, max, avg) that an
// expression has in a window, looked at in steps.
func OverTime(reduce, expr, window, step string) string {
	return fmt.Sprintf("%s_over_time((%s)[%s:%s])", reduce, expr, window, step)
}

// WithSuffix appends to the name of the metric in a selector's text:
// x{a="b"} with _sum is x_sum{a="b"}.
func WithSuffix(selector, suffix string) string {
	name, matchers, found := strings.Cut(selector, "{")
	if !found {
		return selector + suffix
	}
	return strings.TrimSpace(name) + suffix + "{" + matchers
}
