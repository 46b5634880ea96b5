-- Takes a file out of sight at once and makes its bytes due for deletion.
-- ARGV: file, tenant
-- Returns 1, or 0 when the tenant has no such file.
-- needs: file
return delete_file(ARGV[1], ARGV[2]) and 1 or 0
