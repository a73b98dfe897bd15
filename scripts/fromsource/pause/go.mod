module rollproof.build/pause

go 1.26.0
