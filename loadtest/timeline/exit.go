package timeline

import "time"

// Exit is the end of one container.
type Exit struct {
	At        time.Time `json:"at"`                // when it was seen
	Started   time.Time `json:"started,omitzero"`  // by the node's clock, in whole seconds
	Finished  time.Time `json:"finished,omitzero"` // by the node's clock, in whole seconds
	Container string    `json:"container"`
	Code      int32     `json:"code"`
	Signal    int32     `json:"signal,omitempty"`
	Reason    string    `json:"reason,omitempty"` // Completed, Error, OOMKilled, ...
}

// tellLag is the longest time by which a node's word of an exit may come late
// for its clock to be believed: beyond it the two clocks differ.
const tellLag = 10 * time.Second

// Moment returns when the container ended, by the watch's clock, as well as it
// is known: the node's time where it can be right (it has whole seconds, so the
// true one is up to a second later), and otherwise when the exit was seen.
func (e Exit) Moment() time.Time {
	if lag := e.At.Sub(e.Finished); !e.Finished.IsZero() && lag >= 0 && lag <= tellLag {
		return e.Finished
	}
	return e.At
}

// OOM tells whether the kernel ended it for want of memory.
func (e Exit) OOM() bool { return e.Reason == "OOMKilled" }

// killedCode is a shell's word for SIGKILL, 128 + 9, which runtimes use too.
const killedCode = 137

// Killed tells whether it was ended by SIGKILL, and not for want of memory.
func (e Exit) Killed() bool {
	return !e.OOM() && (e.Code == killedCode || e.Signal == 9)
}

// Lived returns how long the container ran, to a second; 0 where unknown.
func (e Exit) Lived() time.Duration {
	if e.Started.IsZero() || e.Finished.IsZero() {
		return 0
	}
	return max(e.Finished.Sub(e.Started), 0)
}
