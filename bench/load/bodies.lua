-- wrk sends each line of the file that is named behind "--" as a body, in turns. The
-- requests are made before the first is sent: the client must not be the slow one.
local requests, at = {}, 0

function init(args)
   for body in io.lines(args[1]) do
      requests[#requests + 1] = wrk.format("POST", nil, {["Content-Type"] = "application/json"}, body)
   end
end

function request()
   at = at % #requests + 1
   return requests[at]
end
