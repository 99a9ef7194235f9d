SELECT o.id, 'it''s'::text, E'a\'b', U&'\0061', B'01', X'ff', 1.5e-3, 0x1f, .5, $1, $tag$secret's$tag$ /* a /* nested */ comment */
FROM "Orders" o JOIN shop.lines l ON l.order_id = o.id AND l.price >= 12 -- rest of the line
WHERE o.customer = ANY ('{1,2}'::integer[]) AND lower(o.note) LIKE 'x%' AND (o.state IS NULL OR o.state <> 'open');
SET app.token = 'abc'; ALTER ROLE a PASSWORD 'p';
