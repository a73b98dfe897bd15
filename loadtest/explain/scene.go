package explain

import (
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"rollproof/loadtest/tally"
	"rollproof/loadtest/timeline"
	"rollproof/loadtest/verdict"
)

// Input is all that explanations rest on, except the losses.
type Input struct {
	Timeline *timeline.Timeline // nil when no cluster was watched
	Run      verdict.Run
	Pods     map[string]*tally.Pod // what each pod answered, by the name that its answers gave; nil entries are ignored
	Longest  time.Duration         // the longest right answer
}

// book is the cluster's side of a run, ready for questions.
type book struct {
	Input
	pods    []*history // in the order in which they were seen
	watched bool       // endpoints were seen
	named   bool       // answers say which pod gave them
}

func newBook(in Input) *book {
	b := &book{Input: in}
	for _, p := range in.Pods {
		b.named = b.named || p != nil && p.Requests > 0
	}
	if in.Timeline == nil {
		return b
	}
	b.watched = len(in.Timeline.Endpoints) > 0
	for _, p := range in.Timeline.Pods {
		b.pods = append(b.pods, newHistory(p, in.Timeline, in.Pods[p.Name]))
	}
	return b
}

// pod returns the pod of that name, nil if none was seen. A StatefulSet's pods keep
// their names: then it is the last one that had been seen by that time.
func (b *book) pod(name string, at time.Time) *history {
	var found *history
	for _, h := range b.pods {
		if h.Name == name && name != "" && (found == nil || !h.Seen.After(at)) {
			found = h
		}
	}
	return found
}

// noneRouted tells whether no pod's endpoint was ready at that moment.
func (b *book) noneRouted(at time.Time) bool {
	return b.watched && !slices.ContainsFunc(b.pods, func(h *history) bool { return h.routedAt(at) })
}

// scene is one loss and who may have caused it.
type scene struct {
	tally.Loss
	book *book
	// When the request needed a pod, and when that was over: as long as it was under
	// way, but for a connection from stock, which was asked for when it was dialed.
	start, end time.Time
	// dialed is when a connection from stock was; zero for all others. taken supposes
	// that a pod took it then, and that it is its end that is to be explained.
	dialed time.Time
	taken  bool
	// holder is the pod that held the connection, by how, and holderName its name
	// also where no such pod was seen; nil and empty where it is not known.
	holder     *history
	holderName string
	how        string
}

func (b *book) scene(l tally.Loss) *scene {
	s := &scene{Loss: l, book: b, start: l.At, end: l.End()}
	switch {
	case l.Pod != "" && !l.Masked(): // a masked one was answered by another than the one it failed on
		s.holderName, s.how = l.Pod, "by its answer"
	case l.Reused && l.LastPod != "":
		s.holderName, s.how = l.LastPod, "by the connection's last answer"
	default:
		if h := b.byAddress(l.Remote); h != nil {
			s.holderName, s.how = h.Name, "by its address"
		}
	}
	s.holder = b.pod(s.holderName, l.At)
	if s.fromStock() {
		s.dialed = l.At.Add(-time.Duration(l.IdleSeconds * float64(time.Second)))
		s.start, s.end = s.dialed, s.dialed
	}
	return s
}

// asTaken returns the scene of a connection from stock that a pod had taken.
func (s *scene) asTaken() *scene {
	t := *s
	t.start, t.end, t.taken = s.At, s.End(), true
	return &t
}

// dialing tells whether it is the dial of a connection from stock that is looked at.
func (s *scene) dialing() bool { return !s.dialed.IsZero() && !s.taken }

// asked is when the connection was asked for.
func (s *scene) asked() time.Time {
	if s.taken {
		return s.dialed
	}
	return s.begun()
}

// fromStock tells whether the connection had been dialed for a request that another
// one carried, and was kept without an answer on it ever: who was to take it was
// decided when it was dialed, whatever pods there are now.
func (s *scene) fromStock() bool {
	return s.Reused && s.LastPod == "" && s.IdleSeconds > 0 && s.holderName == "" && s.untaken() && !s.refused()
}

// byAddress finds the pod with that address: it helps where requests go to pods
// and not to a Service.
func (b *book) byAddress(remote string) *history {
	host, _, err := net.SplitHostPort(remote)
	if err != nil {
		return nil
	}
	for _, h := range slices.Backward(b.pods) { // an address may be given out again
		if h.IP == host {
			return h
		}
	}
	return nil
}

// suspects are the pods that may have held the connection: the holder where it
// is known, and otherwise all that were there.
func (s *scene) suspects() []*history {
	if s.holderName != "" {
		if s.holder == nil {
			return nil
		}
		return []*history{s.holder}
	}
	var out []*history
	there := s.end
	if s.taken {
		there = s.dialed
	}
	for _, h := range s.book.pods {
		if h.existed(there) {
			out = append(out, h)
		}
	}
	return out
}

// begun is when the request needed the pod: when it was due, or its connection dialed.
func (s *scene) begun() time.Time { return s.start }

// moment is when it went wrong: when a connection was asked for, or when one ended.
func (s *scene) moment() time.Time {
	if s.untaken() || s.overdue() {
		return s.begun()
	}
	return s.end
}

// gateway tells whether an ingress or load balancer answered in a pod's stead.
func (s *scene) gateway() bool {
	if s.Class != tally.WrongStatus || s.Pod != "" {
		return false
	}
	// A server says the third of itself, too: then it names its pod, if it ever does.
	return s.Status == http.StatusBadGateway || s.Status == http.StatusGatewayTimeout ||
		s.Status == http.StatusServiceUnavailable && s.book.named
}

// refused tells whether no connection to a pod came about: refused, unreachable,
// or not answered at all.
func (s *scene) refused() bool {
	switch s.Class {
	case tally.Refused:
		return true
	case tally.Timeout, tally.Reset, tally.ResetUnsent, tally.EOF, tally.TLS, tally.Other:
		return s.Phase == tally.Connect || s.Phase == tally.Handshake
	}
	return s.gateway()
}

// untaken tells whether no pod is known to have taken the connection: it did not
// come about, or it was one without an answer yet, which ended or stayed silent
// before a byte of it. A port mapping, a proxy or a load balancer takes connections
// for pods that do not listen, and then ends them, or waits in their stead. A client
// may have kept such a connection, dialed for a request that another one carried.
func (s *scene) untaken() bool {
	switch s.Class {
	case tally.Timeout, tally.Reset, tally.ResetUnsent, tally.EOF, tally.Other, tally.OK: // the last: masked
		if !s.taken && s.fresh() && (s.Phase == tally.Write || s.Phase == tally.Wait) {
			return true
		}
	}
	return s.refused()
}

// fresh tells whether no answer is known to have come on the connection before.
func (s *scene) fresh() bool { return !s.Reused || s.book.named && s.LastPod == "" }

// overdue tells whether the request's time was up as its answer had begun, and no
// endpoint was ready for most of that time: it is not the pod which came at last, and
// may be known by its answer, that lost it. Over a new connection only: who is to take
// a kept one was decided before.
func (s *scene) overdue() bool {
	return s.Class == tally.Timeout && s.Phase == tally.Answer && s.fresh() &&
		(s.holder == nil || !s.holder.ReadyAt(s.begun())) &&
		s.book.watched && s.book.unrouted(s.begun(), s.end) > s.end.Sub(s.begun())/2
}

// cut tells whether a connection ended, or fell silent, under the request.
func (s *scene) cut() bool {
	switch s.Class {
	case tally.Reset, tally.ResetUnsent, tally.EOF, tally.ShortBody:
		return !s.refused()
	case tally.Timeout, tally.Other:
		return s.Phase == tally.Write || s.Phase == tally.Wait || s.Phase == tally.Answer
	}
	return false
}

// broken is either.
func (s *scene) broken() bool { return s.refused() || s.cut() }

// may tells whether a new connection of that time may have gone to the pod: its
// endpoint was ready, or had been shortly before, or endpoints were not seen.
func (s *scene) may(h *history) bool {
	if s.holder == h || !s.book.watched {
		return true
	}
	return slices.ContainsFunc(h.routed, func(r timeline.Span) bool {
		wide := timeline.Span{From: r.From.Add(-watchLag), To: r.To}
		if !r.To.IsZero() {
			wide.To = r.To.Add(routeLag)
		}
		return wide.Holds(s.asked())
	})
}

// status5xx tells whether a pod answered with a fault of its own.
func (s *scene) status5xx() bool {
	return s.Class == tally.WrongStatus && s.Status >= http.StatusInternalServerError && !s.gateway()
}

// busy tells whether a server said that it had too much to do.
func (s *scene) busy() bool {
	return s.Class == tally.WrongStatus && (s.Status == http.StatusServiceUnavailable || s.Status == http.StatusTooManyRequests)
}

// atLimits tells whether the autoscaler had no more pods to give, or measured
// more than it holds the pods to, in the loss's time.
func (s *scene) atLimits() bool {
	t := s.book.Timeline
	if t == nil {
		return false
	}
	for _, at := range []time.Time{s.begun(), s.end} {
		scale, ok := t.ScaleAt(at)
		if ok && scale.Max > 0 && (scale.Spec >= scale.Max || (scale.Target > 0 && scale.Measured > scale.Target)) {
			return true
		}
	}
	return false
}

// ownLag returns for how long the harness itself stood still within the loss.
func (s *scene) ownLag() time.Duration {
	var total time.Duration
	for _, lag := range s.book.Run.Lags {
		from, to := lag.From, lag.From.Add(lag.Length.D())
		from = latest(from, s.At)
		if to.After(s.End()) {
			to = s.End()
		}
		total += max(to.Sub(from), 0)
	}
	return total
}

// inControlOutage tells whether the control lane, which no service can disturb, was
// out when the request was due.
func (s *scene) inControlOutage() bool {
	c := s.book.Run.Control
	return c != nil && slices.ContainsFunc(c.Own(ownLongest), func(o verdict.Lag) bool {
		return !s.At.Before(o.From) && !s.At.After(o.From.Add(o.Length.D()))
	})
}

// ownLongest is how long the control lane may be without an answer before that
// tells something: as long as the harness may stand still, by default.
const ownLongest = 500 * time.Millisecond

// unseen tells whether a watch was broken within the loss.
func (s *scene) unseen() bool {
	return s.book.Timeline != nil && slices.ContainsFunc(s.book.Timeline.Gaps, func(g timeline.Gap) bool {
		return overlaps(timeline.Span{From: g.From, To: g.To}, s.begun(), s.end)
	})
}

// starved tells whether the machine that sends had no more to give: a fault of
// the harness's own, in the system's words.
func (s *scene) starved() bool {
	for _, words := range []string{"too many open files", "cannot assign requested address", "no buffer space available", "not sent"} {
		if strings.Contains(s.Detail, words) {
			return true
		}
	}
	return false
}
