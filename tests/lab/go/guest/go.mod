module lab/guest

go 1.26.0
