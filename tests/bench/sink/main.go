// sink: a cheap HTTP receiver. /pb?id=c00000123&…&ts=<Unix ns> answers 200, after the delay; /hang never does.
// With -hosts N it listens on 127.0.1.1 … 127.0.1.N at the same port, so that N hosts are there.
// /reset?delay=MS&errors=N begins to count anew, each N-th answer is a 503; /count and /stats?skip=N tell what arrived (N: the first, left out of latencies).
package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"os"
	"sort"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"
)

var (
	mu           sync.Mutex
	lat          []int64
	seen         = make([]uint64, 1<<16) // 4M ids
	count, dups  int64
	firstT, last int64
	delay        atomic.Int64
	errors       atomic.Int64
	answered     atomic.Int64
	inflight     atomic.Int64
	maxInflight  atomic.Int64
)

func q(uri, key []byte) []byte {
	i := bytes.Index(uri, key)
	if i < 0 {
		return nil
	}
	v := uri[i+len(key):]
	if j := bytes.IndexByte(v, '&'); j >= 0 {
		v = v[:j]
	}
	return v
}

var kid, kts = []byte("?id="), []byte("&ts=")

func h(c *fasthttp.RequestCtx) {
	uri := c.RequestURI()
	if len(uri) > 4 && uri[1] == 'p' && uri[2] == 'b' {
		now := time.Now().UnixNano()
		id, ts := q(uri, kid), q(uri, kts)
		n, _ := strconv.ParseInt(string(bytes.TrimLeft(id, "c")), 10, 64)
		t, _ := strconv.ParseInt(string(ts), 10, 64)
		mu.Lock()
		if count == 0 {
			firstT = now
		}
		count++
		last = now
		w, b := n/64, uint(n%64)
		again := false
		if w < int64(len(seen)) {
			if again = seen[w]&(1<<b) != 0; again {
				dups++
			}
			seen[w] |= 1 << b
		}
		if t > 0 && !again {
			lat = append(lat, now-t)
		}
		mu.Unlock()
		x := inflight.Add(1)
		for m := maxInflight.Load(); x > m; m = maxInflight.Load() {
			if maxInflight.CompareAndSwap(m, x) {
				break
			}
		}
		if d := delay.Load(); d > 0 {
			time.Sleep(time.Duration(d) * time.Millisecond)
		}
		inflight.Add(-1)
		if e := errors.Load(); e > 0 && answered.Add(1)%e == 0 {
			c.SetStatusCode(503)
			return
		}
		c.SetStatusCode(200)
		c.SetBodyString("OK")
		return
	}
	switch string(c.Path()) {
	case "/hang":
		time.Sleep(time.Hour)
	case "/reset":
		mu.Lock()
		count, dups, firstT, last = 0, 0, 0, 0
		lat = lat[:0]
		for i := range seen {
			seen[i] = 0
		}
		mu.Unlock()
		maxInflight.Store(0)
		d, _ := strconv.ParseInt(string(c.QueryArgs().Peek("delay")), 10, 64)
		delay.Store(d)
		e, _ := strconv.ParseInt(string(c.QueryArgs().Peek("errors")), 10, 64)
		errors.Store(e)
		c.SetBodyString("ok")
	case "/count":
		mu.Lock()
		fmt.Fprintf(c, "%d", count)
		mu.Unlock()
	case "/stats":
		mu.Lock()
		l := append([]int64(nil), lat...)
		times := len(l)
		cnt, dp, f, la := count, dups, firstT, last
		mu.Unlock()
		skip, _ := strconv.Atoi(string(c.QueryArgs().Peek("skip")))
		if skip < len(l) {
			l = l[skip:]
		}
		sort.Slice(l, func(a, b int) bool { return l[a] < l[b] })
		p := func(x float64) float64 {
			if len(l) == 0 {
				return 0
			}
			return float64(l[int(float64(len(l)-1)*x)]) / 1e6
		}
		b, _ := json.Marshal(map[string]any{"count": cnt, "dups": dp, "p50_ms": p(.5), "p99_ms": p(.99), "max_ms": p(1), "wall_s": float64(la-f) / 1e9, "max_inflight": maxInflight.Load(), "times": times})
		c.Write(b)
	default:
		c.SetStatusCode(404)
	}
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "sink:", err)
		os.Exit(1)
	}
}

func listen(addr string) net.Listener {
	listener, err := net.Listen("tcp4", addr)
	check(err)
	return listener
}

func serve(s *fasthttp.Server, listener net.Listener) { check(s.Serve(listener)) }

func main() {
	addr := flag.String("addr", "127.0.0.1:0", "")
	hosts := flag.Int("hosts", 0, "further hosts")
	flag.Parse()
	s := &fasthttp.Server{Handler: h, NoDefaultServerHeader: true, Concurrency: 100000, ReadBufferSize: 8192}
	first := listen(*addr)
	_, port, _ := net.SplitHostPort(first.Addr().String())
	for i := range *hosts {
		go serve(s, listen(fmt.Sprintf("127.0.1.%d:%s", i+1, port)))
	}
	fmt.Println("sink listens on", first.Addr())
	serve(s, first)
}
