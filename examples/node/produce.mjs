// Lead events, a JSON object a line on standard input, into Kafka: node produce.mjs < events.jsonl
//
// POSTBACKS_KAFKA is the broker (127.0.0.1:9092), POSTBACKS_PREFIX the installation's prefix (postbacks). Exits with
// 0 once Kafka has all events, 1 when it may lack some (run it again with the same input: an event_id that a lead
// knows changes nothing), 2 when the input is wrong.
import { ProduceAcks, Producer, compatibilityPartitioner } from '@platformatic/kafka'

const KAFKA = process.env.POSTBACKS_KAFKA ?? '127.0.0.1:9092'
const TOPIC = `${process.env.POSTBACKS_PREFIX ?? 'postbacks'}.lead-events`
const AT_ONCE = 1000

function told (text, status) {
  console.error(`produce: ${text}`)
  process.exitCode = status
}

// The events of a file. An event_id is made where the change is recorded, so a retry has the same.
function read (text) {
  const messages = []
  for (const [index, line] of text.split('\n').entries()) {
    if (line.trim() === '') continue
    let event = null
    try {
      event = JSON.parse(line)
    } catch {}
    if (![event?.event_id, event?.lead_id].every(id => typeof id === 'string' && id.trim() !== '')) {
      told(`line ${index + 1}: a lead event is an object with event_id and lead_id`, 2)
      return null
    }
    messages.push({ topic: TOPIC, key: Buffer.from(event.lead_id), value: Buffer.from(line.trim()) })
  }
  return messages
}

// Writes messages in their order and waits for Kafka's word on each.
async function produce (messages) {
  const producer = new Producer({
    clientId: 'lead-events',
    bootstrapBrokers: KAFKA.split(','),
    acks: ProduceAcks.ALL,
    idempotent: true, // one request in flight; what the client sends again by itself is written once
    // Kafka's own: murmur2 of the key. This client's default keeps the hash's sign bit and chooses other partitions.
    partitioner: compatibilityPartitioner,
    timeout: 10_000,
    retries: 10,
    retryDelay: 1000
  })
  let written = 0
  try {
    while (written < messages.length) {
      const some = messages.slice(written, written + AT_ONCE)
      await producer.send({ messages: some })
      written += some.length
    }
    console.log(`${written} events acknowledged by ${KAFKA}, topic ${TOPIC}`)
  } catch (error) {
    told(`${written} of ${messages.length} events are acknowledged: ${reason(error)}`, 1)
  } finally {
    await producer.close(true)
  }
}

// The client wraps what went wrong; the innermost error says it.
function reason (error) {
  const inner = error.errors?.at(-1) ?? error.cause
  return inner ? reason(inner) : error.message
}

let text = ''
for await (const part of process.stdin.setEncoding('utf8')) text += part
const messages = read(text)
if (messages !== null) await produce(messages)
