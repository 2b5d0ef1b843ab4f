<?php
// Lead events, a JSON object a line on standard input, over the HTTP API: php produce.php < events.jsonl
//
// Needs PHP 8.1 with ext-curl. PHP has no Kafka client without an extension built from C, and a request of a web page
// is no place for one: the API writes to Kafka with the right partitioner and answers once Kafka has the events.
// POSTBACKS_URL is a worker of the role web (http://127.0.0.1:8080), POSTBACKS_TOKEN the token that edits. Exits with
// 0 once Kafka has all events, 1 when it may lack some (run it again with the same input: an event_id that a lead
// knows changes nothing), 2 when the input is wrong.
declare(strict_types=1);

const AT_ONCE = 1000; // events of one call; the API takes up to 10,000
const WAITS_S = [1, 2, 4, 8, 16];

function told(string $text, int $status): never
{
    fwrite(STDERR, "produce: $text\n");
    exit($status);
}

/** One call; the status (0: none came) and what was answered. */
function post(string $body): array
{
    $call = curl_init(rtrim(getenv('POSTBACKS_URL') ?: 'http://127.0.0.1:8080', '/') . '/api/lead-events');
    curl_setopt_array($call, [
        CURLOPT_POSTFIELDS => $body,
        CURLOPT_HTTPHEADER => [
            'Content-Type: application/x-ndjson',
            'Authorization: Bearer ' . (getenv('POSTBACKS_TOKEN') ?: ''),
        ],
        CURLOPT_RETURNTRANSFER => true,
        CURLOPT_CONNECTTIMEOUT => 5,
        CURLOPT_TIMEOUT => 30,
    ]);
    $answer = curl_exec($call);
    return [curl_getinfo($call, CURLINFO_RESPONSE_CODE), $answer === false ? curl_error($call) : $answer];
}

/** Calls until Kafka has the events, one call at a time, so that a lead's events keep their order. */
function send(array $lines): void
{
    foreach ([...WAITS_S, null] as $wait_s) {
        [$status, $answer] = post(implode("\n", $lines));
        if ($status === 202) {
            return;
        }
        $why = $status === 0 ? $answer : "status $status: " . (json_decode($answer)->detail ?? $answer);
        if ($status >= 400 && $status < 500 && $status !== 408 && $status !== 429) {
            told($why, 2); // it would say the same again
        }
        if ($wait_s === null) {
            told($why, 1);
        }
        sleep($wait_s);
    }
}

$lines = [];
foreach (explode("\n", stream_get_contents(STDIN)) as $index => $line) {
    if (trim($line) === '') {
        continue;
    }
    $event = json_decode($line);
    if (!is_string($event->event_id ?? null) || !is_string($event->lead_id ?? null)) {
        told('line ' . ($index + 1) . ': a lead event is an object with event_id and lead_id', 2);
    }
    $lines[] = $line;
}
foreach (array_chunk($lines, AT_ONCE) as $some) {
    send($some);
}
echo count($lines), " events acknowledged\n";
