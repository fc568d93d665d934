"""Voice: where a text stands between the guests and the host, by how it is said."""
