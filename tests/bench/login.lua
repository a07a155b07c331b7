-- Each request logs the same user in.
wrk.method = "POST"
wrk.path = "/auth/login"
wrk.body = '{"email":"bench@example.org","password":"a long walk by the sea"}'
wrk.headers["Content-Type"] = "application/json"
