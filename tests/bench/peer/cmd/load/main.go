// load: what moves records for the benches, cheaply.
//
//	load produce -topic T -n N [-rate R] [-start I] [-flows F] [-leads L]   N lead events, R a second (0: as fast as it goes)
//	load copy -topic T -to U                              T's records as they are now into U, partition by partition
//	load drain -topic T                                   reads T until it is ended
//	load fill -topic T -n N -sample FILE                  N records with the bytes of FILE, L-0000000 in them each time another
package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

var statuses = []string{"new", "hold", "approve"}

const event = `{"event_id":"c%08d","lead_id":"%s","flow_id":"F-%d","status":"%s","occurred_at":"%s","price":35.5,"currency":"usd","uid":"A-%d",` +
	`"click":{"id":"k-%08d-9d3f2a","ip":"203.0.113.%d","ua":"Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1",` +
	`"geo":"DE","lang":"de","referer":"https://news.example.org/a?b=c"},` +
	`"tags":{"utm_source":"fb","utm_campaign":"summer-26","utm_content":"creative-88","subid":"fb camp / März & Co #%d"},` +
	`"customer":{"name":"Jörg Müller","phone":"+4915112345678","email":"joerg%d@example.com"},` +
	`"meta":{"ts":"%d"}}`

func lead(i int) string { return fmt.Sprintf("L-%07d", i) }

type spread struct{ flows, leads int }

// Successive events are of leads that lie far from each other.
func (s spread) lead(i int) int { return i * 7919 % s.leads }

func (s spread) value(i int) []byte {
	now := time.Now()
	l := s.lead(i)
	at := now.UTC().Format("2006-01-02T15:04:05.000Z")
	return fmt.Appendf(nil, event, i, lead(l), l%s.flows+1, statuses[i/s.leads%len(statuses)], at, i%1000, i, i%250, i%97, l, now.UnixNano())
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(1)
	}
}

func told(_ *kgo.Record, err error) { check(err) }

func produce(cl *kgo.Client, topic string, n int, rate float64, start int, over spread) {
	began := time.Now()
	for i := range n {
		if rate > 0 {
			time.Sleep(time.Until(began.Add(time.Duration(float64(i) / rate * 1e9))))
		}
		cl.Produce(context.Background(), &kgo.Record{Topic: topic, Key: []byte(lead(over.lead(start + i))), Value: over.value(start + i)}, told)
	}
	check(cl.Flush(context.Background()))
}

func copyAll(cl *kgo.Client, adm *kadm.Client, from, to string) {
	ends, err := adm.ListEndOffsets(context.Background(), from)
	check(err)
	left := map[int32]int64{}
	ends.Each(func(o kadm.ListedOffset) {
		if o.Offset > 0 {
			left[o.Partition] = o.Offset
		}
	})
	var found []*kgo.Record
	for len(left) > 0 {
		cl.PollFetches(context.Background()).EachRecord(func(r *kgo.Record) {
			found = append(found, &kgo.Record{Topic: to, Partition: r.Partition, Key: r.Key, Value: r.Value, Headers: r.Headers})
			if r.Offset+1 >= left[r.Partition] {
				delete(left, r.Partition)
			}
		})
	}
	for _, r := range found {
		cl.Produce(context.Background(), r, told)
	}
	check(cl.Flush(context.Background()))
}

func fill(cl *kgo.Client, topic string, n int, sample []byte) {
	for i := range n {
		value := bytes.ReplaceAll(sample, []byte(lead(0)), []byte(lead(i)))
		cl.Produce(context.Background(), &kgo.Record{Topic: topic, Key: []byte(lead(i)), Value: value}, told)
	}
	check(cl.Flush(context.Background()))
}

func main() {
	fs := flag.NewFlagSet("load", flag.ExitOnError)
	kafka := fs.String("kafka", "", "host:port")
	topic := fs.String("topic", "", "topic")
	to := fs.String("to", "", "topic to copy to")
	n := fs.Int("n", 1000, "events")
	rate := fs.Float64("rate", 0, "events a second")
	start := fs.Int("start", 0, "number of the first event")
	flows := fs.Int("flows", 1, "flows that the leads are spread over")
	leads := fs.Int("leads", 5000, "leads that the events are of")
	sample := fs.String("sample", "", "file with a value")
	check(fs.Parse(os.Args[2:]))
	opts := []kgo.Opt{kgo.SeedBrokers(*kafka), kgo.ProducerBatchCompression(kgo.NoCompression()), kgo.ProducerLinger(0), kgo.MaxBufferedRecords(1 << 17)}
	if os.Args[1] == "copy" || os.Args[1] == "drain" {
		opts = append(opts, kgo.ConsumeTopics(*topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	}
	if os.Args[1] == "copy" {
		opts = append(opts, kgo.RecordPartitioner(kgo.ManualPartitioner()))
	}
	cl, err := kgo.NewClient(opts...)
	check(err)
	defer cl.Close()
	switch os.Args[1] {
	case "produce":
		produce(cl, *topic, *n, *rate, *start, spread{*flows, *leads})
	case "copy":
		copyAll(cl, kadm.NewClient(cl), *topic, *to)
	case "fill":
		value, err := os.ReadFile(*sample)
		check(err)
		fill(cl, *topic, *n, value)
	case "drain":
		for {
			cl.PollFetches(context.Background())
		}
	}
}
