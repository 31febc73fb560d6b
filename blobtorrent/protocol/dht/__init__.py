"""The distributed hash table (BEP 5, 32, 33, 42, 43, 44, 51), sans I/O: datagrams and `now` in, datagrams out."""
