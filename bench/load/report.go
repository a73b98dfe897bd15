package load

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// ErrFailures says that not every request got the right status.
var ErrFailures = errors.New("requests failed")

// Report is what wrk found.
type Report struct {
	// PerSecond is how many requests were answered in a second.
	PerSecond float64
	// Requests that were answered.
	Requests int
	// P50 and P99 of the latency, in a closed loop.
	P50, P99 time.Duration
}

// ParseReport reads what wrk prints. It is ErrFailures, with the numbers, if wrk
// counted an answer that is no 2xx or 3xx or a socket's error: a rate of failures is
// no rate.
func ParseReport(text string) (Report, error) {
	var r Report
	var err error
	seen := map[string]bool{}
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		switch {
		case strings.HasPrefix(strings.TrimSpace(line), "Socket errors:"), strings.HasPrefix(strings.TrimSpace(line), "Non-2xx"):
			err = errors.Join(err, fmt.Errorf("%w: %s", ErrFailures, strings.TrimSpace(line)))
			continue
		case len(fields) == 2 && fields[0] == "50%":
			err = errors.Join(err, into(&r.P50, fields[1], latency))
		case len(fields) == 2 && fields[0] == "99%":
			err = errors.Join(err, into(&r.P99, fields[1], latency))
		case len(fields) == 2 && fields[0] == "Requests/sec:":
			err = errors.Join(err, into(&r.PerSecond, fields[1], rate))
		case len(fields) > 3 && fields[1] == "requests" && fields[2] == "in":
			err = errors.Join(err, into(&r.Requests, fields[0], strconv.Atoi))
			fields[0] = "requests"
		default:
			continue
		}
		seen[fields[0]] = true
	}
	for _, wanted := range []string{"50%", "99%", "requests", "Requests/sec:"} {
		if !seen[wanted] {
			err = errors.Join(err, fmt.Errorf("its report has no %q", wanted))
		}
	}
	if err == nil && (r.Requests <= 0 || r.PerSecond <= 0) {
		err = fmt.Errorf("%w: none was answered", ErrFailures)
	}
	return r, err
}

// into reads text into the value.
func into[T any](value *T, text string, read func(string) (T, error)) (err error) {
	if *value, err = read(text); err != nil {
		return fmt.Errorf("its report has %q: %w", text, err)
	}
	return nil
}

// rate reads a number of requests a second. wrk shortens none of those.
func rate(text string) (float64, error) {
	f, err := strconv.ParseFloat(text, 64)
	if err == nil && (math.IsNaN(f) || math.IsInf(f, 0) || f < 0) {
		err = errors.New("want a finite number that is not negative")
	}
	return f, err
}

// latency reads a time as wrk prints it: 12.34us, 1.05ms, 2.00s, 1.10m or 1.00h.
func latency(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if err == nil && d < 0 {
		err = errors.New("want a time that is not negative")
	}
	return d, err
}
