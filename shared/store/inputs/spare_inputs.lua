-- Makes sweeps spare all condition images that are stored now: see `inputs_since_ms` in state_version.py.

-- needs: keys, wall_clock
redis.call('HSET', P .. 'state', 'inputs_since_ms', string.format('%.0f', wall_ms()))
