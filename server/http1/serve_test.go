package http1

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// counted is a Conn that counts how often it was idle.
type counted struct {
	net.Conn
	idle atomic.Int32
}

func (c *counted) Idle(time.Time) { c.idle.Add(1) }

// served is a connection that is served.
type served struct {
	net.Conn
	from *bufio.Reader
	at   *counted
	rest chan []byte
	log  *bytes.Buffer // complete when rest has come
}

// serve serves a handler on a connection of TCP; idle is the server's time-out.
func serve(t testing.TB, h http.HandlerFunc, idle time.Duration) *served {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }() // one connection is all
	client, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	server, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	s := &served{
		Conn: client, from: bufio.NewReader(client), at: &counted{Conn: server},
		rest: make(chan []byte, 1), log: &bytes.Buffer{},
	}
	t.Cleanup(func() {
		_ = client.Close() // either may be closed already
		_ = server.Close()
	})
	go func() {
		rest, _ := (&Server{Handler: h, IdleTimeout: idle, Patience: 100 * time.Millisecond, Log: log.New(s.log, "", 0)}).Serve(context.Background(), s.at)
		if rest == nil {
			_ = server.Close() // as whoever serves does
		}
		s.rest <- rest
	}()
	return s
}

// send writes a request, or a part of one.
func (s *served) send(t testing.TB, text string) {
	t.Helper()
	if _, err := io.WriteString(s, text); err != nil {
		t.Fatal(err)
	}
}

// answer reads an answer: all of it but its body, and its body.
func (s *served) answer(t testing.TB) (answer, string) {
	t.Helper()
	if err := s.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	r, err := http.ReadResponse(s.from, nil)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	_ = r.Body.Close() // read to its end
	return answer{r.Status, r.StatusCode, r.Proto, r.Header, r.ContentLength, r.Close}, string(body)
}

// answer is an answer without its body.
type answer struct {
	Status        string
	StatusCode    int
	Proto         string
	Header        http.Header
	ContentLength int64
	Close         bool
}

// ended waits for the end of serving.
func (s *served) ended(t testing.TB) []byte {
	t.Helper()
	select {
	case rest := <-s.rest:
		return rest
	case <-time.After(5 * time.Second):
		t.Fatal("still served after 5s")
		return nil
	}
}

// echo answers with the path and the body.
func echo(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	_, _ = fmt.Fprintf(w, "%s %s", r.URL.Path, body) //nolint:gosec // a test's own client asks, and it may be gone
}

func post(path, body string) string {
	return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", path, len(body), body)
}

func TestServesOneAfterTheOther(t *testing.T) {
	t.Parallel()
	s := serve(t, echo, time.Minute)
	for i := range 5 {
		s.send(t, post("/a", strings.Repeat("b", i*3000)))
		if r, body := s.answer(t); r.StatusCode != http.StatusOK || body != "/a "+strings.Repeat("b", i*3000) {
			t.Errorf("request %d: %d %q", i, r.StatusCode, body)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if rest := s.ended(t); rest != nil {
		t.Errorf("rest %q, want none", rest)
	}
	if n := s.at.idle.Load(); n != 5 {
		t.Errorf("idle %d times, want after each of 5 answers", n)
	}
}

// TestServesWhatIsSentAhead holds that requests sent before the answer to the one
// before are answered in order, however they are cut.
func TestServesWhatIsSentAhead(t *testing.T) {
	t.Parallel()
	all := post("/a", "1") + post("/b", "") + "GET /c HTTP/1.1\r\nHost: x\r\n\r\n" + post("/d", "22")
	for _, size := range []int{len(all), len(all) / 2, 100, 17} {
		s := serve(t, echo, time.Minute)
		for rest := all; rest != ""; {
			n := min(size, len(rest))
			s.send(t, rest[:n])
			rest = rest[n:]
			time.Sleep(time.Millisecond) // a segment of its own
		}
		for _, want := range []string{"/a 1", "/b ", "/c ", "/d 22"} {
			if _, body := s.answer(t); body != want {
				t.Errorf("in parts of %d: %q, want %q", size, body, want)
			}
		}
	}
}

func TestGivesBackWhatIsNotPlain(t *testing.T) {
	t.Parallel()
	foreign := "POST /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
	for name, sent := range map[string]string{
		"alone": foreign, "with more behind": foreign + post("/b", "2"), "a part of it": "DELETE",
		"unfinished": "POST / HT", "with half of its body": post("/b", "2222")[:50], "too large": post("/", strings.Repeat("x", maxRequest)),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, echo, time.Minute)
			s.send(t, post("/a", "1")+sent)
			if _, body := s.answer(t); body != "/a 1" {
				t.Errorf("%q, want the answer to the plain one", body)
			}
			rest := string(s.ended(t))
			if !strings.HasPrefix(sent, rest) || rest == "" {
				t.Fatalf("rest %q, want the beginning of %q", rest, sent)
			}
			// The rest and what was not read are all that was sent.
			if err := s.CloseWrite(); err != nil {
				t.Fatal(err)
			}
			unread, err := io.ReadAll(s.at)
			if err != nil || rest+string(unread) != sent {
				t.Errorf("rest %q and then %q, %v; want %q", rest, unread, err, sent)
			}
		})
	}
}

// CloseWrite ends the client's half.
func (s *served) CloseWrite() error {
	return s.Conn.(*net.TCPConn).CloseWrite() //nolint:forcetypeassert // serve dials TCP
}

func TestIdleConnectionEnds(t *testing.T) {
	t.Parallel()
	s := serve(t, echo, 50*time.Millisecond)
	s.send(t, post("/a", "1"))
	s.answer(t)
	began := time.Now()
	if rest := s.ended(t); rest != nil {
		t.Errorf("rest %q, want none", rest)
	}
	if took := time.Since(began); took < 40*time.Millisecond {
		t.Errorf("ended after %s, want about 50ms", took)
	}
}

// TestIdleTimeIsFromTheLastAnswer holds that a connection in use does not end, although
// not every request sets a clock, and that one which waited for the rest of a request
// gets its idle time again.
func TestIdleTimeIsFromTheLastAnswer(t *testing.T) {
	t.Parallel()
	s := serve(t, echo, 300*time.Millisecond)
	for range 8 {
		s.send(t, "POST /a HTTP/1.1\r\nHost: x\r\n")
		time.Sleep(5 * time.Millisecond)
		s.send(t, "Content-Length: 1\r\n\r\n1")
		s.answer(t)
		time.Sleep(150 * time.Millisecond)
	}
}

func TestPanicEndsTheConnection(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		handler http.HandlerFunc
		logged  string
	}{
		"a bug":           {func(http.ResponseWriter, *http.Request) { panic("a bug") }, "a bug"},
		"meant":           {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, ""},
		"an odd status":   {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(0) }, "status 0"},
		"a false length":  {func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Length", "3") }, "declared as 3"},
		"half an answer ": {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("half")); panic("b") }, "b"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, c.handler, time.Minute)
			s.send(t, post("/", "1"))
			if rest := s.ended(t); rest != nil {
				t.Errorf("rest %q, want none", rest)
			}
			if got, err := io.ReadAll(s); err != nil || len(got) > 0 {
				t.Errorf("%q, %v: want nothing but the end", got, err)
			}
			if got := s.log.String(); !strings.Contains(got, c.logged) || (c.logged == "") != (got == "") {
				t.Errorf("log %q, want %q", got, c.logged)
			}
		})
	}
}

// handlers are one for each thing that an answer may have, by a name.
func handlers() map[string]http.HandlerFunc {
	return map[string]http.HandlerFunc{
		"nothing": func(http.ResponseWriter, *http.Request) {},
		"text":    func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>") },
		"no type": func(w http.ResponseWriter, _ *http.Request) {
			w.Header()["Content-Type"] = nil
			_, _ = io.WriteString(w, "a")
		},
		"encoded": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "x")
			_, _ = io.WriteString(w, "a")
		},
		"error": func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusTeapot) },
		"empty": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusNoContent)
			_, _ = io.WriteString(w, "x")
		},
		"unknown": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(299); w.WriteHeader(300) },
		"declared": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "2")
			_, _ = io.WriteString(w, "ab")
		},
		"closing":  func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Connection", "close") },
		"own date": func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Date", "today") },
		"late":     func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(200); w.Header().Set("A", "b") },
		"many": func(w http.ResponseWriter, _ *http.Request) {
			w.Header()["A"] = []string{"b", " c "}
			w.Header()["b"] = []string{"d"}
		},
		"bad": func(w http.ResponseWriter, _ *http.Request) {
			w.Header()["A"] = []string{"b\r\nC: d"}
			w.Header()["e f"] = []string{"g"}
		},
		"large": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100000")
			_, _ = w.Write(make([]byte, 100000))
		},
		"echo": echo,
	}
}

// TestAnswersDoNotDependOnThoseBefore holds that what is kept of an answer for the next
// one does not show.
func TestAnswersDoNotDependOnThoseBefore(t *testing.T) {
	t.Parallel()
	all := handlers()
	delete(all, "closing")
	all["odd-length"] = func(w http.ResponseWriter, _ *http.Request) { // net/http sends it in chunks
		w.Header().Set("Content-Length", "x")
		_, _ = io.WriteString(w, "a")
	}
	h := func(w http.ResponseWriter, r *http.Request) { all[r.Header.Get("X-Name")](w, r) }
	ask := func(s *served, name string) (answer, string) {
		s.send(t, "GET /a HTTP/1.1\r\nHost: x\r\nX-Name: "+name+"\r\n\r\n")
		a, body := s.answer(t)
		delete(a.Header, "Date") // it may be a second later
		return a, body
	}
	s := serve(t, h, time.Minute)
	for first := range all {
		for second := range all {
			for _, name := range []string{first, second, second} {
				got, body := ask(s, name)
				want, wanted := ask(serve(t, h, time.Minute), name)
				if !reflect.DeepEqual(got, want) || body != wanted {
					t.Fatalf("%s after %s: got %+v %.80q\nwant %+v %.80q", name, first, got, body, want, wanted)
				}
			}
		}
	}
}

// TestAnswersAsNetHTTP holds that an answer is the one that net/http gives.
func TestAnswersAsNetHTTP(t *testing.T) {
	t.Parallel()
	for name, h := range handlers() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, h, time.Minute)
			s.send(t, post("/a", "b"))
			got, body := s.answer(t)
			other := httptest.NewServer(h)
			defer other.Close()
			conn, err := net.Dial("tcp", other.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			by := &served{Conn: conn, from: bufio.NewReader(conn)}
			by.send(t, post("/a", "b"))
			want, wanted := by.answer(t)
			_ = conn.Close() // answered
			for _, r := range []answer{got, want} {
				if date := r.Header.Get("Date"); date != "today" {
					if at, err := http.ParseTime(date); err != nil || time.Since(at) > time.Minute {
						t.Errorf("date %q", date)
					}
					delete(r.Header, "Date")
				}
			}
			if !reflect.DeepEqual(got, want) || body != wanted {
				t.Errorf("got %+v %.80q\nwant %+v %.80q", got, body, want, wanted)
			}
		})
	}
}

func TestCloseIsTheLast(t *testing.T) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Connection", "close") }, time.Minute)
	s.send(t, post("/", "1"))
	if r, _ := s.answer(t); !r.Close {
		t.Error("the answer does not say that it is the last")
	}
	if _, err := s.from.ReadByte(); !errors.Is(err, io.EOF) {
		t.Errorf("error %v, want the end", err)
	}
	s.ended(t)
}
