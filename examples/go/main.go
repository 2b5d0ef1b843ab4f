// Lead events, a JSON object a line on standard input, into Kafka: go run . < events.jsonl
//
// POSTBACKS_KAFKA is the broker (127.0.0.1:9092), POSTBACKS_PREFIX the installation's prefix (postbacks). Exits with
// 0 once Kafka has all events, 1 when it may lack some (run it again with the same input: an event_id that a lead
// knows changes nothing), 2 when the input is wrong.
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	atOnce   = 1000
	maxEvent = 256 * 1024
)

func main() {
	kafka := setting("POSTBACKS_KAFKA", "127.0.0.1:9092")
	topic := setting("POSTBACKS_PREFIX", "postbacks") + ".lead-events"
	records, err := read(os.Stdin)
	if err != nil {
		told(err, 2)
	}
	if written, err := produce(kafka, topic, records); err != nil {
		told(fmt.Errorf("%d of %d events are acknowledged: %w", written, len(records), err), 1)
	}
	fmt.Printf("%d events acknowledged by %s, topic %s\n", len(records), kafka, topic)
}

// read gives the events of a file. An event_id is made where the change is recorded, so a retry has the same.
func read(from io.Reader) ([]*kgo.Record, error) {
	var records []*kgo.Record
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, 4*maxEvent)
	for number := 1; lines.Scan(); number++ {
		line := bytes.TrimSpace(lines.Bytes())
		if len(line) == 0 {
			continue
		}
		var ids struct {
			Event string `json:"event_id"`
			Lead  string `json:"lead_id"`
		}
		if json.Unmarshal(line, &ids) != nil || strings.TrimSpace(ids.Event) == "" || strings.TrimSpace(ids.Lead) == "" {
			return nil, fmt.Errorf("line %d: a lead event is an object with event_id and lead_id", number)
		}
		records = append(records, kgo.KeySliceRecord([]byte(ids.Lead), bytes.Clone(line)))
	}
	return records, lines.Err()
}

// produce writes records in their order and waits for Kafka's word on each; it says how many are acknowledged.
func produce(kafka, topic string, records []*kgo.Record) (int, error) {
	client, err := kgo.NewClient(
		kgo.SeedBrokers(strings.Split(kafka, ",")...),
		kgo.DefaultProduceTopic(topic),
		// The defaults, said aloud: the producer is idempotent, so what it sends again is written once and in order.
		kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)), // Kafka's own: murmur2 of the key
		kgo.RecordDeliveryTimeout(30*time.Second),
	)
	if err != nil {
		return 0, err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := client.Ping(ctx); err != nil {
		return 0, err
	}
	written := 0
	for written < len(records) {
		some := records[written:min(written+atOnce, len(records))]
		if err := client.ProduceSync(context.Background(), some...).FirstErr(); err != nil {
			return written, err
		}
		written += len(some)
	}
	return written, nil
}

func setting(name, otherwise string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return otherwise
}

func told(err error, status int) {
	fmt.Fprintln(os.Stderr, "produce:", err)
	os.Exit(status)
}
