"""How proxies are asked for connections and datagrams."""
