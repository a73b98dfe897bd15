package html

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// maxText bounds what one text that is not ours may take of the page.
const maxText = 600

// clip keeps the beginning of a text that is not ours, and what a browser shows
// of it: control characters are spaces, broken letters are marked.
func clip(s string, most int) string {
	s = strings.Map(func(c rune) rune {
		if c < ' ' || c == 0x7f {
			return ' '
		}
		return c
	}, strings.ToValidUTF8(s, "\uFFFD"))
	if utf8.RuneCountInString(s) <= most {
		return s
	}
	return string([]rune(s)[:most]) + "…"
}

// long writes seconds with the digits that matter: 480 µs, 3.2 ms, 45 ms, 1.25 s, 2:05 min.
func long(seconds float64) string {
	switch abs := math.Abs(seconds); {
	case abs == 0:
		return "0 s"
	case abs < 0.001:
		return fmt.Sprintf("%.0f µs", seconds*1e6)
	case abs < 0.01:
		return fmt.Sprintf("%.1f ms", seconds*1e3)
	case abs < 1:
		return fmt.Sprintf("%.0f ms", seconds*1e3)
	case abs < 10:
		return strings.TrimSuffix(fmt.Sprintf("%.2f", seconds), "0") + " s"
	case abs < 120:
		return fmt.Sprintf("%.1f s", seconds)
	}
	s := int(math.Round(seconds))
	if s < 3600 {
		return fmt.Sprintf("%d:%02d min", s/60, s%60)
	}
	return fmt.Sprintf("%d:%02d:%02d h", s/3600, s/60%60, s%60)
}

// count writes a number with its thousands apart.
func count[N ~int | ~int32 | ~uint64](n N) string {
	digits := strconv.FormatInt(int64(n), 10)
	var b strings.Builder
	for i, d := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 && digits[i-1] != '-' {
			b.WriteByte(',')
		}
		b.WriteRune(d)
	}
	return b.String()
}

// rateBound writes a share with two digits that count, rounded up.
func rateBound(share float64) string {
	p := 100 * share
	if p <= 0 || p >= 100 {
		return "100 %"
	}
	digits := max(0, 1-int(math.Floor(math.Log10(p))))
	scale := math.Pow10(digits)
	return fmt.Sprintf("%.*f %%", digits, math.Ceil(p*scale)/scale)
}

// plural writes "1 request" or "2 requests".
func plural[N ~int | ~int32 | ~uint64](n N, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return count(n) + " " + many
}

// moment writes a time for people who were not there.
func moment(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 MST") }
