// A tracker on loopback over HTTP and UDP. Prints {"http": PORT, "udp": PORT} when it listens.
// Usage: node tracker.mjs NODE_MODULES

const { default: Server } = await import(`${process.argv[2]}/bittorrent-tracker/server.js`)

const server = new Server({ http: true, udp: true, ws: false, stats: false, interval: 60_000 })
server.on('error', error => {
  console.error(error)
  process.exit(1)
})
server.on('warning', warning => console.error(warning.message))
server.listen(0, { http: '127.0.0.1', udp: '127.0.0.1', udp6: '::1' }, () => {
  console.log(JSON.stringify({ http: server.http.address().port, udp: server.udp4.address().port }))
})
