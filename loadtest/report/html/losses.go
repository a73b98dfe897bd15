package html

import (
	"fmt"
	"strings"

	"rollproof/loadtest/explain"
)

// Cause is one explanation.
type Cause struct {
	ID, Name, Title  string
	Count            string
	When             string
	Lanes, Pods      string
	Sentence, Advice string
	From, To         float64 // shares, for the zoom
	Examples         []LossRow
}

// LossRow is one loss.
type LossRow struct {
	At, Lane, Class, Pod, Detail, Cause, CauseID string
	Seq                                          uint64
	Sentence                                     string
}

// causeTitle writes a cause's word as words.
func causeTitle(c explain.Cause) string {
	return strings.NewReplacer("_", " ", "sigterm", "SIGTERM", "oom", "OOM").Replace(string(c))
}

// cause puts one explanation into words.
func (d *drawing) cause(e explain.Explanation) Cause {
	c := Cause{
		ID: causeID(e.Cause), Name: string(e.Cause), Title: causeTitle(e.Cause),
		Count: plural(e.Count, "request", "requests"), Lanes: strings.Join(e.Lanes, ", "),
		When:     fmt.Sprintf("%s to %s after the start", long(d.r.After(e.From)), long(d.r.After(e.To))),
		Sentence: clip(e.Sentence, 2000), Advice: clip(e.Advice, 2000),
	}
	if e.Masked > 0 {
		c.Count += fmt.Sprintf(", %s of them answered by a hidden retry", count(e.Masked))
	}
	pods := e.Pods[:min(len(e.Pods), 10)]
	names := make([]string, 0, len(pods))
	for _, p := range pods {
		names = append(names, clip(p, 80))
	}
	c.Pods = strings.Join(names, ", ")
	if n := len(e.Pods) - len(pods); n > 0 {
		c.Pods += fmt.Sprintf(" and %d more", n)
	}
	// A moment before and after, so that what led to it is seen.
	from, to := d.share(e.From), d.share(e.To)
	room := max((to-from)/10, 0.02)
	c.From, c.To = max(from-room, 0), min(to+room, 1)
	for _, x := range e.Examples {
		c.Examples = append(c.Examples, LossRow{
			At: long(d.r.After(x.At)), Lane: x.Lane, Seq: x.Seq, Class: string(x.Class), Pod: clip(x.Pod, 80),
			Detail: clip(x.Detail, 300), Sentence: clip(x.Sentence, maxText),
		})
	}
	return c
}

func (p *Page) losses(d *drawing) {
	all := d.r.Losses
	explained := map[explain.Cause]string{}
	for _, e := range d.r.Explanations {
		explained[e.Cause] = causeID(e.Cause)
	}
	for _, l := range all[:min(len(all), maxLosses)] {
		pod := l.Pod
		if pod == "" {
			pod = l.LastPod
		}
		p.Losses = append(p.Losses, LossRow{
			At: long(d.r.After(l.At)), Lane: l.Lane, Seq: l.Seq, Class: string(l.Class), Pod: clip(pod, 80),
			Detail: clip(l.Detail, 300), Cause: causeTitle(l.Cause), CauseID: explained[l.Cause],
		})
	}
	if n := uint64(len(p.Losses)); n < d.r.Verdict.Lost {
		p.LossNote = fmt.Sprintf("The earliest %s of %s. Each one is in raw/LANE.losses.jsonl, the counts above and the marks in the timeline hold all of them.", count(n), count(d.r.Verdict.Lost))
	}
}

// shorten leaves out the middle of a list that is longer than most, and says how
// many that were.
func shorten[T any](list []T, most int) (head, tail []T, left int) {
	if len(list) <= most {
		return list, nil, 0
	}
	return list[:most/2], list[len(list)-most/2:], len(list) - most/2*2
}
