// A ring of DHT nodes on loopback addresses of their own. Prints {"ring": ["HOST:PORT", ...]} when all of them know others.
// Then reads a line for each order: {"announce": HASH, "port": PORT} or {"lookup": HASH}, done by the last node,
// and prints what came of it: {"announced": true} or {"peers": ["HOST:PORT", ...]}.
// Usage: node dht.mjs NODE_MODULES NUMBER

import { createInterface } from 'node:readline'

const { default: Node } = await import(`${process.argv[2]}/bittorrent-dht/index.js`)

const hosts = Array.from({ length: Number(process.argv[3]) }, (_, index) => `127.0.1.${index + 1}`)
const ring = []
for (const host of hosts) {
  const first = ring[0]
  const node = new Node({ bootstrap: first ? [`${hosts[0]}:${first.address().port}`] : false })
  node.on('error', error => {
    console.error(error)
    process.exit(1)
  })
  await new Promise(resolve => node.listen(0, host, resolve))
  if (first) await new Promise(resolve => node.once('ready', resolve))
  ring.push(node)
}
console.log(JSON.stringify({ ring: ring.map(node => `${node.address().address}:${node.address().port}`) }))

const last = ring[ring.length - 1]
for await (const line of createInterface({ input: process.stdin })) {
  const order = JSON.parse(line)
  if (order.announce) {
    await new Promise(resolve => last.announce(order.announce, order.port, resolve))
    console.log(JSON.stringify({ announced: true }))
  } else {
    const peers = new Set()
    const note = (peer, hash) => {
      if (hash.toString('hex') === order.lookup) peers.add(`${peer.host}:${peer.port}`)
    }
    last.on('peer', note)
    await new Promise(resolve => last.lookup(order.lookup, resolve))
    last.off('peer', note)
    console.log(JSON.stringify({ peers: [...peers] }))
  }
}
process.exit(0)
