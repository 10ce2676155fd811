"unknown.op"() : () -> ()
