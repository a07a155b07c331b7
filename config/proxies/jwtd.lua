-- The action jwtd-verify URL for HAProxy 2.6 and later (haproxy.cfg): asks jwtd whose token Authorization has. On 200 the request goes on with
-- the headers below as jwtd says, and never as a client sent them; any other answer of jwtd's becomes the reply, and without one it is 503.
-- The variable txn.jwtd_verified is set last, and HAProxy must refuse every request without it: it goes on when an action fails.

local identity = { "x-auth-subject", "x-auth-session", "x-auth-roles", "x-auth-stale-for" }
local required = { "x-auth-subject", "x-auth-session", "x-auth-roles" }
local passed = { "www-authenticate", "retry-after", "content-type", "cache-control", "x-request-id" }
local timeout_ms = 500 -- of each try; HAProxy makes four

-- Values of a header in their order; HAProxy counts them from 0.
local function values(headers, name)
    local list = {}
    local given = headers and headers[name]
    local i = 0
    while given and given[i] do
        list[#list + 1] = given[i]
        i = i + 1
    end
    return list
end

local function refuse(txn, status, headers, body)
    local reply = txn:reply({ status = status })
    for _, name in ipairs(passed) do
        for _, value in ipairs(values(headers, name)) do
            reply:add_header(name, value)
        end
    end
    if status == 503 and #values(headers, "retry-after") == 0 then
        reply:add_header("retry-after", "1")
    end
    if body then
        reply:set_body(body)
    end
    txn:done(reply)
end

local function has_all(headers)
    for _, name in ipairs(required) do
        local list = values(headers, name)
        if #list ~= 1 or list[1] == "" then
            return false
        end
    end
    return true
end

core.register_action("jwtd-verify", { "http-req" }, function(txn, url)
    -- All of several Authorization headers: jwtd refuses them, and the backend must not use another than was checked.
    local authorization = values(txn.http:req_get_headers(), "authorization")
    for _, name in ipairs(identity) do
        txn.http:req_del_header(name)
    end
    local headers = nil
    if #authorization > 0 then
        headers = { authorization = authorization }
    end
    local answer = core.httpclient():get({ url = url, headers = headers, timeout = timeout_ms })
    -- 502 and 504 are HAProxy's own: jwtd did not answer
    if not answer or not answer.status or answer.status < 200 or answer.status == 502 or answer.status == 504 then
        return refuse(txn, 503)
    end
    if answer.status ~= 200 then
        return refuse(txn, answer.status, answer.headers, answer.body)
    end
    if not has_all(answer.headers) then
        return refuse(txn, 503)
    end
    for _, name in ipairs(identity) do
        for _, value in ipairs(values(answer.headers, name)) do
            txn.http:req_set_header(name, value)
        end
    end
    txn:set_var("txn.jwtd_verified", true)
end, 1)
