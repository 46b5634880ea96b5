-- Records that a job, of which no record is left, no longer uses some condition images.
-- ARGV: job, then objects.

-- needs: inputs
for i = 2, #ARGV do drop_input(ARGV[1], ARGV[i]) end
